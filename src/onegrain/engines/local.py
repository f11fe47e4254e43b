"""Work in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from onegrain.engines.engine import Work

__all__ = ["LocalEngine"]


class LocalEngine:
    """An engine that works in this process, on each item when its result is requested."""

    def stream(
        self, start: Callable[[], Work], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        """Yield the results in the order of the items; see :class:`~onegrain.engines.engine.Engine`."""
        if items:
            work = start()
            for item in items:
                yield work(item, advance)
