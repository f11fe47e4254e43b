"""Searches for concepts that run in the background, so that a page can show how far they are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from onegrain.core.progress import Progress
from onegrain.errors import OnegrainError
from onegrain.explorer.errors import BusyError
from onegrain.records.concept_search import ConceptSearch

__all__ = ["Search", "SearchState", "Searches"]

Find = Callable[[Progress], ConceptSearch]

MOST_KEPT = 12
MOST_RUNNING = 2
ABANDONED_SECONDS = 30.0
"""A search ends if no page has asked for it for so long."""


@dataclass(frozen=True)
class SearchState:
    """The progress of a search: neurons done, and of how many; 0 of 0 before the first."""

    done: int
    total: int


class Abandoned(Exception):  # noqa: N818
    """No page asks for the search any more."""


class Search:
    """A search in a thread of its own. All methods may be called from several threads."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._done = self._total = 0
        self._result: ConceptSearch | None = None
        self._error: Exception | None = None
        self._finished = threading.Event()
        self._asked = time.monotonic()
        threading.Thread(target=self._run, daemon=True, name="onegrain search").start()

    @property
    def state(self) -> SearchState:
        """The progress of the search."""
        return SearchState(self._done, self._total)

    @property
    def is_finished(self) -> bool:
        """True once there is a result or an error."""
        return self._finished.is_set()

    @property
    def failed(self) -> bool:
        """True if the search ended without a result."""
        return self._error is not None

    def wait(self, seconds: float) -> ConceptSearch | None:
        """Return the result, or None if the search is not finished after some seconds.

        Raises:
            OnegrainError: the search failed.
        """
        self._asked = time.monotonic()
        if not self._finished.wait(seconds):
            return None
        if isinstance(self._error, OnegrainError):
            raise self._error
        if self._error is not None:
            raise OnegrainError(f"the search failed: {self._error}") from self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._find(self._progress)
        except Exception as error:  # the thread hands it to the page that asks
            self._error = error
        self._finished.set()

    @contextmanager
    def _progress(self, description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """Count the neurons that are done; see :class:`onegrain.core.progress.Progress`."""

        def advance(done: int) -> None:
            self._done += done
            if time.monotonic() - self._asked > ABANDONED_SECONDS:
                raise Abandoned

        self._done, self._total = 0, total
        yield advance


class Searches:
    """The searches of an explorer by what they search for; results of the last ones are kept."""

    def __init__(self) -> None:
        self._searches: dict[Hashable, Search] = {}
        self._lock = threading.Lock()

    def begin(self, key: Hashable, find: Find) -> Search:
        """Return the search of a key; it is started if it is a new one.

        Raises:
            BusyError: as many searches as allowed run already.
        """
        with self._lock:
            search = self._searches.pop(key, None)
            if search is None or search.failed:
                running = sum(not other.is_finished for other in self._searches.values())
                if running >= MOST_RUNNING:
                    raise BusyError(f"{running} searches run already; wait until one has finished")
                search = Search(find)
            self._searches[key] = search
            finished = [name for name, other in self._searches.items() if other.is_finished]
            for name in finished[: max(0, len(self._searches) - MOST_KEPT)]:
                del self._searches[name]
            return search
