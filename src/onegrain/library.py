"""Open any record or store by its content, and list the records of a folder."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onegrain.errors import RecordError
from onegrain.records.cards import NeuronCards
from onegrain.records.clusters import Clusters
from onegrain.records.concept_search import ConceptSearch
from onegrain.records.control import Control
from onegrain.records.curve import Curve
from onegrain.records.directions import CONFIG, LAYOUT, Directions
from onegrain.records.effects import Effects
from onegrain.records.evaluation import Evaluation
from onegrain.records.parquet import read_header
from onegrain.records.ranking import Ranking
from onegrain.records.similarity import Similarity
from onegrain.records.specificity import Specificity
from onegrain.records.stability import Stability
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import Sweep
from onegrain.records.uniqueness import Uniqueness

__all__ = [
    "ACTIVATIONS",
    "CARDS",
    "DIRECTIONS",
    "INDEX",
    "TABLES",
    "Listed",
    "is_model",
    "kind_of",
    "load",
    "records",
]

TABLES: dict[str, Callable[[str | os.PathLike[str]], Any]] = {
    "ranking": Ranking.load,
    "curve": Curve.load,
    "evaluation": Evaluation.load,
    "stability": Stability.load,
    "similarity": Similarity.load,
    "specificity": Specificity.load,
    "effects": Effects.load,
    "uniqueness": Uniqueness.load,
    "clusters": Clusters.load,
    "neuron statistics": NeuronStatistics.load,
    "sweep": Sweep.load,
    "control": Control.load,
    "concept search": ConceptSearch.load,
    "statistics": NeuronStatistics.load,
}
"""The function that loads each kind of Parquet record."""

ACTIVATIONS = "activations"
CARDS = "neuron cards"
INDEX = "neuron index"
DIRECTIONS = "directions"
INDEX_FILE = "index.json"
MODEL_FILES = ("config.json", "cfg.json", "training.json")
PARQUET_MAGIC = b"PAR1"
HEAD_BYTES = 4096
JSON_KIND = re.compile(rb'"record":\s*"([a-z ]{1,40})"')


@dataclass(frozen=True)
class Listed:
    """A record or store in a folder.

    Attributes:
        path: the file or folder that holds it.
        kind: the kind of record, such as ``ranking`` or ``activations``; empty if it cannot be read.
        error: why it cannot be read; empty if it can.
    """

    path: Path
    kind: str
    error: str = ""

    def load(self) -> Any:
        """Return the record; see :func:`load`."""
        return load(self.path)


def load(path: str | os.PathLike[str]) -> Any:
    """Return the record or the store that a path holds; its name does not matter.

    Args:
        path: a Parquet or JSON file that onegrain wrote, a store of activations (a folder or a URL), its index
            beside it, or the folder of directions. A model is opened by ``onegrain.load_model``.

    Returns:
        The record, such as a Ranking, a Curve, a NeuronIndex or Activations.

    Raises:
        RecordError: the path does not exist, holds no record, or is damaged.

    >>> load("missing.parquet")
    Traceback (most recent call last):
    onegrain.errors.RecordError: missing.parquet does not exist
    """
    kind = kind_of(path)
    if kind in TABLES:
        return TABLES[kind](path)
    if kind == ACTIVATIONS:
        from onegrain.activations import open_activations

        return open_activations(os.fspath(path))
    if kind == DIRECTIONS:
        return Directions.load(path)
    if kind == INDEX:
        return _index(Path(path))
    if kind == CARDS or Path(path).suffix == ".json":
        return NeuronCards.load(path)
    if kind:
        raise RecordError(f"{path} holds a {kind}, which this version of onegrain cannot open")
    if Path(path).is_dir() and is_model(Path(path)):
        raise RecordError(f"{path} is a model, not a record; open it with onegrain.load_model")
    if not Path(path).exists():
        raise RecordError(f"{path} does not exist")
    raise RecordError(f"{path} is not a record of onegrain")


def kind_of(path: str | os.PathLike[str]) -> str:
    """Return the kind of record that a file or folder holds, such as ``ranking``; empty if it holds none.

    The name decides only if the content cannot: for URLs, which are stores, and for files that are missing.

    Raises:
        RecordError: a Parquet file is missing, damaged, or was not written by onegrain.
    """
    place = Path(path)
    if "://" in os.fspath(path) or place.suffix == ".zarr" or (place / "zarr.json").is_file():
        return ACTIVATIONS
    if (place / INDEX_FILE).is_file():
        return INDEX
    if place.is_dir():
        return DIRECTIONS if (place / CONFIG).is_file() and LAYOUT.marks(place) else ""
    head = _head(place)
    if place.suffix == ".parquet" or head.startswith(PARQUET_MAGIC):
        return str(read_header(path).get("record"))
    if head.lstrip().startswith(b"{"):
        return _json_kind(place, head)
    return ""


def _index(path: Path) -> Any:
    """Return the index of the store that lies beside it under the same name."""
    from onegrain.searching import NeuronIndex

    store = next((place for place in (path.with_suffix(".zarr"), path.with_suffix("")) if place.is_dir()), None)
    if store is None:
        raise RecordError(f"{path} is an index without its store beside it; open it with NeuronIndex.open")
    return NeuronIndex.open(store, path)


def is_model(folder: Path) -> bool:
    """Return True if a folder holds a model, a dictionary or a training run."""
    return any((folder / name).is_file() for name in MODEL_FILES)


def records(folder: str | os.PathLike[str]) -> list[Listed]:
    """Return the records and stores in a folder and the folders in it, sorted by path.

    Hidden folders and the insides of stores and models are not searched. Damaged records are listed with an
    ``error``; files that are not records are left out.

    Raises:
        RecordError: the folder does not exist.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RecordError(f"{root} is not a folder")
    return sorted(_listed(root), key=lambda entry: entry.path)


def _listed(root: Path) -> Iterator[Listed]:
    for place, folders, files in os.walk(root):
        paths = [Path(place, name) for name in (*folders, *files) if not name.startswith(".")]
        for path in paths:
            try:
                kind = kind_of(path)
            except RecordError as error:
                yield Listed(path, "", str(error))
                continue
            if kind:
                yield Listed(path, kind)
        folders[:] = [path.name for path in paths if path.is_dir() and not _is_closed(path)]


def _is_closed(folder: Path) -> bool:
    closing = ("zarr.json", INDEX_FILE)
    return folder.suffix == ".zarr" or any((folder / name).is_file() for name in closing) or is_model(folder)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except (OSError, ValueError):
        return b""


def _json_kind(path: Path, head: bytes) -> str:
    """Return the kind of record that a JSON file says it is; of a long file only the beginning is read."""
    match = JSON_KIND.search(head)
    if match:
        return match[1].decode()
    if len(head) == HEAD_BYTES:
        return ""
    try:
        kind = json.loads(head).get("record", "")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return kind if isinstance(kind, str) else ""
