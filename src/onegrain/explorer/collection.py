"""The records, stores and models that an explorer shows, each known by a name and never by a path."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from onegrain.activations import open_activations
from onegrain.core.text import visible
from onegrain.errors import OnegrainError, ParameterError
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.recent import Recent
from onegrain.library import ACTIVATIONS, TABLES, is_model, kind_of, load, records
from onegrain.records.activations import Activations
from onegrain.records.parquet import read_header
from onegrain.records.provenance import Provenance

__all__ = ["MODEL", "Collection", "Entry", "collect"]

Result = TypeVar("Result")

MODEL = "model"
UNSHOWN = ("measures", "training")
"""Kinds of JSON files that belong to models and are no records of their own."""
MOST_RECORDS_KEPT = 64
"""Records that stay in memory once a page has read them; the one read longest ago leaves first."""


@dataclass(frozen=True)
class Entry:
    """A record, a store or a model of the collection.

    Attributes:
        name: its name in addresses, unique in the collection: the path inside the folder, without the suffix.
        kind: ``ranking``, ``curve``, ``activations``, ``model``, or another kind of record.
        model: the name of the model that it is about; empty if it does not say.
        weights: SHA-256 of that model's weights; empty if it does not say.
        corpus: the source of the corpus that it was made from; empty if it does not say.
        method: the method of a ranking or the metric of a curve; empty for others.
        layer: the label layer of a ranking; empty for others.
        digest: hash of the content, which the ETags of pages are made of.
    """

    name: str
    kind: str
    model: str = ""
    weights: str = ""
    corpus: str = ""
    method: str = ""
    layer: str = ""
    digest: str = ""

    @property
    def title(self) -> str:
        """The last part of the name."""
        return self.name.rsplit("/", 1)[-1]


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
    """

    def __init__(
        self,
        title: str,
        paths: Sequence[tuple[Entry, Path | str]],
        left_out: Sequence[str],
        folder: Path | None,
        opened: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.title = title
        self.folder = folder
        self.left_out = tuple(left_out)
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
            NotFoundError: there is none, or it is of another kind.
        """
        entry = self._entries.get(name)
        if entry is None or (kinds and entry.kind not in kinds):
            wanted = " or ".join(kinds) if kinds else "record"
            raise NotFoundError(f"no {wanted} is called {name!r} here; the overview lists what there is")
        return entry

    def record(self, name: str, *kinds: str) -> Any:
        """Return the record of a name; it is read from disk on first use.

        Raises:
            NotFoundError: there is none, or it is of another kind.
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
        entry = _table_entry(name, kind_of(path), path)
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


def collect(places: Iterable[str | os.PathLike[str]], title: str | None = None) -> Collection:
    """Return the collection of some folders, records, stores and models.

    Args:
        places: folders, which are searched, and single records, stores or models.
        title: the title of the pages; by default the name of the first place.

    Raises:
        ParameterError: there is no place, one does not exist, or nothing in them can be shown.
    """
    named = [os.fspath(place) for place in places]
    if not named:
        raise ParameterError("name a folder of records, or records, stores and models one by one")
    paths: list[tuple[Entry, Path | str]] = []
    left_out: list[str] = []
    stores: dict[str, Activations] = {}
    for place in named:
        for found, path, kind, error in _searched(place, prefixed=len(named) > 1):
            name = _unused(visible(found), paths)
            try:
                if error:
                    raise ParameterError(error)
                if kind == ACTIVATIONS:
                    stores[name] = open_activations(path)
                    entry = _store_entry(name, stores[name])
                else:
                    entry = _entry(name, kind, Path(path))
                paths.append((entry, path))
            except OnegrainError as failure:
                left_out.append(visible(f"{found}: {str(failure).replace(str(path), Path(path).name)}"))
    if not paths:
        raise ParameterError(
            f"nothing to show in {', '.join(named)}: no ranking, curve, store or model; "
            "onegrain demo makes some, and onegrain explore --demo shows them"
        )
    folder = Path(named[0]) if len(named) == 1 and Path(named[0]).is_dir() else None
    return Collection(visible(title or Path(named[0]).resolve().name), paths, left_out, folder, stores)


def _searched(place: str, *, prefixed: bool) -> Iterator[tuple[str, Path | str, str, str]]:
    """Yield (name, path, kind, error) of a place, or of everything in it if it is a folder of records."""
    path = Path(place)
    if "://" not in place and not path.exists():
        raise ParameterError(f"{place} does not exist")
    if "://" not in place and path.is_dir() and is_model(path):
        yield path.resolve().name, path, MODEL, ""
        return
    kind = kind_of(place)
    if kind or path.is_file():
        yield (
            _stem(Path(path.name)),
            place if "://" in place else path,
            kind,
            "" if kind else "no record of onegrain",
        )
        return
    prefix = f"{path.resolve().name}/" if prefixed else ""
    for listed in (listed for listed in records(path) if listed.kind not in UNSHOWN):
        yield prefix + _stem(listed.path.relative_to(path)), listed.path, listed.kind, listed.error
    for folder in _models(path):
        yield f"{prefix}{folder.relative_to(path).as_posix()}", folder, MODEL, ""


def _models(root: Path) -> Iterator[Path]:
    """Yield the folders of models below a folder, in the order of their paths."""
    for folder, names, _ in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith(".") and not name.endswith(".zarr"))
        models = [Path(folder, name) for name in names if is_model(Path(folder, name))]
        yield from models
        names[:] = [name for name in names if Path(folder, name) not in models]


def _stem(path: Path) -> str:
    return path.with_suffix("").as_posix() if path.suffix in (".parquet", ".zarr", ".json") else path.as_posix()


def _unused(name: str, paths: Sequence[tuple[Entry, Any]]) -> str:
    """Return a name that no entry has yet: the name itself, or with a number."""
    taken = {entry.name for entry, _ in paths}
    return next(
        candidate
        for candidate in (name, *(f"{name} ({number})" for number in range(2, len(paths) + 3)))
        if candidate not in taken
    )


def _store_entry(name: str, activations: Activations) -> Entry:
    provenance = activations.provenance
    return _described(name, ACTIVATIONS, provenance, digest=provenance.model_dump_json())


def _entry(name: str, kind: str, path: Path) -> Entry:
    if kind == MODEL:
        return Entry(name, MODEL, visible(path.name), digest=_file_digest(path / "config.json"))
    if kind in TABLES:
        return _table_entry(name, kind, path)
    provenance = getattr(load(path), "provenance", None)
    return _described(name, kind, provenance, digest=_file_digest(path))


def _table_entry(name: str, kind: str, path: Path) -> Entry:
    header = read_header(path)
    provenance = Provenance.model_validate(header["provenance"]) if "provenance" in header else None
    return _described(
        name,
        kind,
        provenance,
        method=visible(str(header.get("method") or header.get("metric") or "")),
        layer=visible(str(header.get("layer") or "")),
        digest=_file_digest(path),
    )


def _described(name: str, kind: str, provenance: Provenance | None, **facts: str) -> Entry:
    model = provenance.subject() if provenance is not None else None
    corpus = provenance.corpus if provenance is not None else None
    return Entry(
        name,
        kind,
        model=visible(Path(model.id).name or model.id) if model is not None else "",
        weights=model.weight_hash if model is not None else "",
        corpus=visible(corpus.source) if corpus is not None else "",
        **facts,
    )


def _file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, of its name."""
    if not path.is_file():
        return hashlib.sha256(path.name.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
