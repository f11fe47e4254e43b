"""The interface of an engine, which does the same work on many items."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

__all__ = ["Engine", "Work"]

Work = Callable[[Any, Callable[[int], None]], Any]
"""Takes an item and a progress callback, which it calls with numbers of finished units; returns the result."""


class Engine(Protocol):
    """An engine that decides in which processes the work runs."""

    def stream(
        self, start: Callable[[], Work], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        """Yield the result of the work on each item, in the order of the items; closing it ends the work.

        Args:
            start: returns the work function; called once in each process that works. It must be picklable
                unless the work runs in this process.
            items: the items to work on; they must be picklable under the same condition.
            advance: called with the number of units of work that were finished.
        """
        ...
