"""How long work tells how far it is, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

__all__ = ["Progress", "silent"]


class Progress(Protocol):
    """Opens one task of ``total`` units and yields the function that advances it."""

    def __call__(
        self, description: str, total: int, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Open a task; the yielded function takes how many units were just done."""
        ...


@contextmanager
def silent(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """The default: nobody listens."""
    yield lambda done: None
