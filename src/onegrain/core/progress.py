"""Progress of long work, reported to a function that the caller passes, by default to a bar in notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from onegrain.core.notebook import bar, shows_bars

__all__ = ["Progress", "automatic", "silent"]


class Progress(Protocol):
    """A context manager that opens one task of ``total`` units and yields the function that advances it."""

    def __call__(
        self, description: str, total: int, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Open a task; the yielded function takes the number of units that were just done."""
        ...


@contextmanager
def silent(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Report nothing."""
    yield lambda done: None


def automatic(description: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
    """Show a bar in a notebook, and report nothing elsewhere: the default of every function that takes long."""
    return (bar if shows_bars() else silent)(description, total, unit)
