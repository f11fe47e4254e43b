"""Progress of long work, reported to a function that the caller passes, by default to a bar in notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from onegrain.core.notebook import bar, show_line, shows_bars

__all__ = ["Announcing", "Progress", "announce", "automatic", "ignore", "renamed", "silent"]


class Progress(Protocol):
    """A context manager that opens one task of ``total`` units and yields the function that advances it."""

    def __call__(
        self, description: str, total: int, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Open a task; the yielded function takes the number of units that were just done."""
        ...


@runtime_checkable
class Announcing(Protocol):
    """A progress that can also show a line of text, such as how long the work will take."""

    def announce(self, text: str) -> None:
        """Show the line."""
        ...


def ignore(done: int) -> None:
    """Take the number of units that were just done, and report nothing."""


@contextmanager
def silent(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Report nothing."""
    yield ignore


class _Automatic:
    """A progress that shows a bar in a notebook, and nothing elsewhere."""

    def __call__(
        self, description: str, total: int, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        return (bar if shows_bars() else silent)(description, total, unit)

    def announce(self, text: str) -> None:
        if shows_bars():
            show_line(text)

    def __repr__(self) -> str:
        return "automatic"


automatic = _Automatic()
"""The default of every function that takes long: a bar in a notebook, and nothing elsewhere."""


def announce(progress: Progress, text: str) -> None:
    """Show a line of text before the work starts, if the progress can show lines."""
    if isinstance(progress, Announcing):
        progress.announce(text)


def renamed(progress: Progress, name: str) -> Progress:
    """Return a progress that opens every task under another name."""

    def open_task(description: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        return progress(name, total, unit)

    return open_task
