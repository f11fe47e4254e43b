"""The search of places for records, stores, models and studies, which become a collection."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from onegrain.activations import open_activations
from onegrain.core.text import visible
from onegrain.errors import OnegrainError, ParameterError
from onegrain.explorer.collection import Collection
from onegrain.explorer.entries import MODEL, Entry, file_entry, store_entry
from onegrain.library import ACTIVATIONS, is_model, kind_of, records
from onegrain.records.activations import Activations

__all__ = ["collect"]

STUDY = ".toml"
UNSHOWN = ("measures", "training")
"""Kinds of JSON files that belong to models and are not listed."""


def collect(places: Iterable[str | os.PathLike[str]], title: str | None = None) -> Collection:
    """Return the collection of some folders, records, stores and models.

    Args:
        places: folders, which are searched; single records, stores or models; and the TOML files of studies,
            which name parallel corpora for models. A folder of records may hold its study's file.
        title: the title of the pages; by default the name of the first place.

    Raises:
        ParameterError: no place is given, one does not exist, nothing in them can be shown, or a study's file
            has a fault.
    """
    every = [os.fspath(place) for place in places]
    named = [place for place in every if Path(place).suffix != STUDY]
    if not named:
        raise ParameterError("name a folder of records, or records, stores and models one by one")
    study_files = [_study_file(Path(place)) for place in every if Path(place).suffix == STUDY]
    left_out: list[str] = []
    for file in (file for place in named for file in _studies_in(place)):
        try:
            study_files.append(_study_file(file))
        except OnegrainError as failure:
            left_out.append(visible(f"{file.name}: {str(failure).replace(str(file), file.name)}"))
    paths: list[tuple[Entry, Path | str]] = []
    stores: dict[str, Activations] = {}
    for place in named:
        for listed, path, kind, error in _searched(place, prefixed=len(named) > 1):
            name = _unused(visible(listed), paths)
            try:
                if error:
                    raise ParameterError(error)
                if kind == ACTIVATIONS:
                    stores[name] = open_activations(path)
                    entry = store_entry(name, stores[name])
                else:
                    entry = file_entry(name, kind, Path(path))
                paths.append((entry, path))
            except OnegrainError as failure:
                left_out.append(visible(f"{listed}: {str(failure).replace(str(path), Path(path).name)}"))
    if not paths:
        raise ParameterError(
            f"nothing to show in {', '.join(named)}: no ranking, curve, store or model; "
            "onegrain demo makes some, and onegrain explore --demo shows them"
        )
    folder = Path(named[0]) if len(named) == 1 and Path(named[0]).is_dir() else None
    shown = visible(title or Path(named[0]).resolve().name)
    return Collection(shown, paths, left_out, folder, stores, study_files)


def _studies_in(place: str) -> list[Path]:
    """Return the TOML files of a folder, in the order of their names."""
    return [] if "://" in place or is_model(Path(place)) else sorted(Path(place).glob(f"*{STUDY}"))


def _study_file(path: Path) -> Path:
    """Return the path of a study's file once it has been read without a fault.

    Raises:
        ParameterError: the file does not exist, or has a fault.
    """
    from onegrain.studies.read import read_study

    read_study(path)
    return path


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
