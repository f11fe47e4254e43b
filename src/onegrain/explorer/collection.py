"""The records, stores and models that an explorer shows, each known by a name and never by a path."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from onegrain.activations import open_activations
from onegrain.explorer.entries import MODEL, Entry, table_entry
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.recent import Recent
from onegrain.library import ACTIVATIONS, kind_of, load
from onegrain.records.activations import Activations

__all__ = ["MODEL", "Collection", "Entry"]

Result = TypeVar("Result")

MOST_RECORDS_KEPT = 64
"""Records that stay in memory once a page has read them; the one read longest ago leaves first."""


class Collection:
    """The content of an explorer: entries by name, opened when a page needs them.

    Requests name entries; the paths stay inside this class. All methods may be called from several threads.

    Args:
        paths: every entry with its place.
        opened: records that are open already, by the names of their entries.

    Attributes:
        title: the title of the pages.
        folder: the folder that was searched, or None if places were named one by one.
        left_out: one line for each file that cannot be shown, with the reason.
        study_files: the files of studies among the places, which name corpora for models.
    """

    def __init__(
        self,
        title: str,
        paths: Sequence[tuple[Entry, Path | str]],
        left_out: Sequence[str],
        folder: Path | None,
        opened: Mapping[str, Any] = MappingProxyType({}),
        study_files: Sequence[Path] = (),
    ) -> None:
        self.title = title
        self.folder = folder
        self.left_out = tuple(left_out)
        self.study_files = tuple(study_files)
        self._entries = {entry.name: entry for entry, _ in paths}
        self._paths = {entry.name: path for entry, path in paths}
        self._opened: Recent[Any] = Recent(MOST_RECORDS_KEPT)
        for name, record in opened.items():
            self._opened.keep(name, record)
        self._changes = 0
        self._derived: dict[str, Any] = {}
        self._derived_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.RLock()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in the order of their names."""
        with self._lock:
            return tuple(sorted(self._entries.values(), key=lambda entry: entry.name))

    @property
    def version(self) -> str:
        """A hash of the content of all entries; it changes when one is added or :meth:`touch` is called."""
        facts = "".join(f"{entry.name}\0{entry.kind}\0{entry.digest}\0" for entry in self.entries)
        return hashlib.sha256(f"{self._changes}\0{facts}".encode()).hexdigest()

    def of_kind(self, *kinds: str) -> tuple[Entry, ...]:
        """Return the entries of some kinds, in the order of their names."""
        return tuple(entry for entry in self.entries if entry.kind in kinds)

    def about(self, weights: str, *kinds: str) -> tuple[Entry, ...]:
        """Return the entries of some kinds that are about the model with these weights."""
        return tuple(entry for entry in self.of_kind(*kinds) if entry.weights == weights)

    def entry(self, name: str, *kinds: str) -> Entry:
        """Return the entry of a name.

        Raises:
            NotFoundError: no entry has this name, or it is of another kind.
        """
        entry = self._entries.get(name)
        if entry is None or (kinds and entry.kind not in kinds):
            wanted = " or ".join(kinds) if kinds else "record"
            raise NotFoundError(f"no {wanted} is called {name!r} here; the overview lists what there is")
        return entry

    def record(self, name: str, *kinds: str) -> Any:
        """Return the record of a name; it is read from disk on first use.

        Raises:
            NotFoundError: no entry has this name, or it is of another kind.
            RecordError: the file is damaged.
        """
        entry, path = self.entry(name, *kinds), self._paths[name]
        return self._opened.get(
            name, lambda: open_activations(path) if entry.kind == ACTIVATIONS else load(path)
        )

    def store(self, name: str) -> Activations:
        """Return the store of a name, opened; its values stay on disk."""
        activations: Activations = self.record(name, ACTIVATIONS)
        return activations

    def path(self, entry: Entry) -> Path | str:
        """Return where an entry is kept; for the code that opens it, never for a page."""
        return self._paths[entry.name]

    def model_of(self, about: Entry) -> Entry:
        """Return the folder of the model that a record or store is about: the model of the same name.

        Whoever loads it compares the hash of its weights with ``about.weights``.

        Raises:
            NotFoundError: the collection has no model of that name.
        """
        for entry in self.of_kind(MODEL):
            if entry.title == about.model:
                return entry
        raise NotFoundError(
            f"the model {about.model or 'of ' + about.name} is not here; give its folder to onegrain explore "
            "to run it on texts"
        )

    def add(self, path: Path, name: str) -> Entry:
        """Add a record that the explorer has written, and return its entry."""
        entry = table_entry(name, kind_of(path), path)
        with self._lock:
            self._entries[name] = entry
            self._paths[name] = path
        self.touch()
        return entry

    def touch(self) -> None:
        """Say that pages may differ from now on although no record does, such as when an index is finished."""
        with self._lock:
            self._changes += 1
            self._derived.clear()

    def derived(self, key: str, build: Callable[[], Result]) -> Result:
        """Return what a function makes of the records; it is called once until the collection changes.

        Args:
            key: the name of the result, unique in the explorer.
            build: makes it.
        """
        with self._derived_locks[key]:
            with self._lock:
                changes = self._changes
                if key in self._derived:
                    known: Result = self._derived[key]
                    return known
            result = build()
            with self._lock:
                if self._changes == changes:  # else it was made of what the collection held before
                    self._derived[key] = result
            return result
