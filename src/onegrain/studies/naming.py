"""What a report calls the records of a folder: as their files are named, and told apart by folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onegrain.studies.scanning import Found

__all__ = ["curve_names", "record_names"]

Key = tuple[str, str]


def record_names(root: Path, found: Sequence[Found]) -> dict[Key, Any]:
    """Return (model, name) -> record.

    The name is the file's without the model's. Records of one name have their folder behind it.
    """
    return {
        (each.model, _with(_stem(each), place)): each.record
        for each, place in zip(found, _places(root, found), strict=True)
    }


def curve_names(root: Path, found: Sequence[Found]) -> dict[Key, Any]:
    """Return (model, ordering) -> curve, as :func:`record_names`.

    A file is named after its ordering, behind the curve's metric where a study wrote it. The first
    curve of an ordering is called as the ordering, and those of further metrics as ordering and metric.
    """
    curves: dict[Key, Any] = {}
    for each, place in zip(found, _places(root, found), strict=True):
        metric = each.record.metric
        ranking = _stem(each).removeprefix(f"{metric}--")
        key = each.model, _with(ranking, place)
        if key in curves and ranking != _stem(each):
            key = each.model, _with(f"{ranking} {metric}", place)
        while key in curves:
            key = each.model, f"{key[1]} ({each.path.relative_to(root)})"
        curves[key] = each.record
    return curves


def _stem(found: Found) -> str:
    """Return a file's name without its ending and without the model's name."""
    return found.path.stem.removesuffix(f"--{found.model.split(' (')[0]}")


def _with(name: str, place: str) -> str:
    return f"{name} ({place})" if place else name


def _places(root: Path, found: Sequence[Found]) -> list[str]:
    """Return for each record what tells it from others of its model and name; empty where nothing needs to."""
    groups: dict[Key, list[int]] = {}
    for number, each in enumerate(found):
        groups.setdefault((each.model, _stem(each)), []).append(number)
    places = [""] * len(found)
    for numbers in groups.values():
        if len(numbers) == 1:
            continue
        paths = [found[number].path.relative_to(root) for number in numbers]
        folders = [list(path.parent.parts) for path in paths]
        while all(folders) and len({parts[-1] for parts in folders}) == 1:
            folders = [parts[:-1] for parts in folders]
        texts = ["/".join(parts) for parts in folders]
        texts = texts if len(set(texts)) == len(texts) else [str(path) for path in paths]
        for number, text in zip(numbers, texts, strict=True):
            places[number] = text
    return places
