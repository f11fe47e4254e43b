"""The names by which a report calls the records of a folder: those of their files, distinguished by folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onegrain.metrics.registry import metric_title
from onegrain.studies.scanning import FolderRecord

__all__ = ["curve_names", "record_names"]

Key = tuple[str, str]


def record_names(root: Path, records: Sequence[FolderRecord]) -> dict[Key, Any]:
    """Return (model, name) -> record.

    The name is that of the file without the model's name; ``upos--lca--MODEL``, as a study names what it
    measures for entry and ranking, is ``upos by lca``. If several records have the same name, it ends with the
    folder in parentheses.
    """
    return {
        (record.model, _with(_title(record), place)): record.record
        for record, place in zip(records, _places(root, records), strict=True)
    }


def curve_names(root: Path, records: Sequence[FolderRecord]) -> dict[Key, Any]:
    """Return (model, name) -> curve, as :func:`record_names`.

    A file is named after its ranking; in a study, the metric and ``--`` come first. The first curve of a
    ranking has the name of the ranking, and curves of further metrics have the names of ranking and metric.
    """
    curves: dict[Key, Any] = {}
    for curve, place in zip(records, _places(root, records), strict=True):
        metric = curve.record.metric
        ranking = _stem(curve).removeprefix(f"{metric}--")
        key = curve.model, _with(ranking, place)
        if key in curves and ranking != _stem(curve):
            key = curve.model, _with(f"{ranking} {metric_title(metric)}", place)
        while key in curves:
            key = curve.model, f"{key[1]} ({curve.path.relative_to(root)})"
        curves[key] = curve.record
    return curves


def _title(record: FolderRecord) -> str:
    """Return a file's name as :func:`record_names` gives it, without the folder."""
    stem = _stem(record)
    return stem.replace("--", " by ") if stem != record.path.stem and stem.count("--") == 1 else stem


def _stem(record: FolderRecord) -> str:
    """Return a file's name without its suffix and without the model's name."""
    return record.path.stem.removesuffix(f"--{record.model.split(' (')[0]}")


def _with(name: str, place: str) -> str:
    return f"{name} ({place})" if place else name


def _places(root: Path, records: Sequence[FolderRecord]) -> list[str]:
    """Return for each record the folder that distinguishes it from others of its model and name, or ''."""
    groups: dict[Key, list[int]] = {}
    for number, record in enumerate(records):
        groups.setdefault((record.model, _stem(record)), []).append(number)
    places = [""] * len(records)
    for numbers in groups.values():
        if len(numbers) == 1:
            continue
        paths = [records[number].path.relative_to(root) for number in numbers]
        folders = [list(path.parent.parts) for path in paths]
        while all(folders) and len({parts[-1] for parts in folders}) == 1:
            folders = [parts[:-1] for parts in folders]
        texts = ["/".join(parts) for parts in folders]
        texts = texts if len(set(texts)) == len(texts) else [str(path) for path in paths]
        for number, text in zip(numbers, texts, strict=True):
            places[number] = text
    return places
