"""The store: activations, words and labels as one Zarr v3 group on disk.

::

    STORE.zarr/
      zarr.json         the group; its attributes are the manifest, written last
      activations/      (words, neurons) float32 or float16, in shards of whole rows, each chunk checksummed
      words/            uint8: the words in UTF-8, one after the other
      word_ends/        int64 (words,): where in ``words`` each word ends
      sentences/        int64 (sentences + 1,): where each sentence begins, in words
      labels/0, 1, ...  int32 (words,): codes of the label layers, in the order in which the manifest names them
      journal.json      only while the store is unfinished: what it is to hold, and how many shards are written
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from onegrain.core.activations import Activations
from onegrain.core.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.core.provenance import Provenance
from onegrain.core.space import NeuronSpace
from onegrain.errors import RecordError

__all__ = ["FORMAT", "Grid", "StoredArray", "open_activations", "read_manifest"]

FORMAT = 1
MANIFEST = "zarr.json"
JOURNAL = "journal.json"
SHARD_BYTES = 64 * 2**20
LEAST_ROWS = 64
MOST_ROWS = 16384
CHUNK_ROWS = 1024
CHUNK_COLUMNS = 128


@dataclass(frozen=True)
class Grid:
    """How the (words, neurons) array is cut.

    A shard holds whole rows and is written at once; the chunks inside it are what a reader fetches, so a few
    words or a few neurons are read without the rest.

    Attributes:
        rows: words of a shard.
        chunk_rows: words of a chunk.
        chunk_columns: neurons of a chunk.
        columns: neurons of a shard: those of the array, filled up to whole chunks.
    """

    rows: int
    chunk_rows: int
    chunk_columns: int
    columns: int

    @classmethod
    def of(cls, n_words: int, n_neurons: int) -> Grid:
        """The grid of an array: shards of about 64 MiB in float32, whatever it is stored as."""
        fitting = max(1, SHARD_BYTES // (4 * n_neurons))
        rows = min(MOST_ROWS, max(LEAST_ROWS, 2 ** (fitting.bit_length() - 1)))
        chunk_rows = min(rows, CHUNK_ROWS, n_words)
        rows = min(rows, -(-n_words // chunk_rows) * chunk_rows)
        pieces = -(-n_neurons // CHUNK_COLUMNS)
        chunk_columns = -(-n_neurons // pieces)
        return cls(rows, chunk_rows, chunk_columns, pieces * chunk_columns)

    def n_shards(self, n_words: int) -> int:
        """How many shards hold that many words."""
        return -(-n_words // self.rows)


class StoredArray:
    """The (words, neurons) array of a store; slicing reads from disk and refuses damaged chunks.

    A store holds finite values only, so a NaN, with which Zarr fills what is missing, is a shard that was lost.
    """

    def __init__(self, array: Any, path: Path) -> None:
        self._array = array
        self._path = path
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype = np.dtype(array.dtype)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        try:
            block = np.asarray(self._array[key])
        except ValueError as error:
            raise RecordError(f"{self._path} is damaged ({error}); extract it again with force") from error
        if np.isnan(block).any():
            raise RecordError(f"{self._path} is damaged (a shard is lost); extract it again with force")
        return block

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __repr__(self) -> str:
        return f"StoredArray({self._path}: {self.shape} {self.dtype})"


def open_activations(path: str | os.PathLike[str]) -> Activations:
    """Open a finished store; words and labels are loaded, activations are read as they are sliced.

    Raises:
        RecordError: nothing is there, or it is not a store, is unfinished, damaged, or of a later format.
    """
    store = Path(path)
    manifest = _finished_manifest(store)
    try:
        array = zarr.open_array(store / "activations", mode="r")
        corpus = _read_corpus(store, manifest)
        space = NeuronSpace.from_json(manifest["space"])
        provenance = Provenance.model_validate(manifest["provenance"])
    except RecordError:
        raise
    except (KeyError, ValueError, OSError) as error:
        raise RecordError(f"{store} is damaged ({error}); extract it again with force") from error
    if provenance.corpus is None or corpus.content_hash != provenance.corpus.content_hash:
        raise RecordError(f"{store} is damaged: its words are not those it was made from; extract it again")
    grid = Grid.of(corpus.n_words, space.size)
    written = sum(1 for _ in (store / "activations" / "c").glob("*/0"))
    if written != grid.n_shards(corpus.n_words):
        raise RecordError(
            f"{store} is damaged: {written} of {grid.n_shards(corpus.n_words)} shards are there; "
            "copy it again, or extract it again with force"
        )
    return Activations(StoredArray(array, store), space, corpus, provenance, store)


def read_manifest(store: Path) -> dict[str, Any] | None:
    """The manifest of a finished store, or None where there is none."""
    try:
        group = json.loads((store / MANIFEST).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    attributes = group.get("attributes") if isinstance(group, dict) else None
    if not isinstance(attributes, dict) or attributes.get("record") != "activations":
        return None
    return attributes


def _finished_manifest(store: Path) -> dict[str, Any]:
    if not store.exists():
        raise RecordError(f"{store} does not exist")
    manifest = read_manifest(store)
    if manifest is None and (store / JOURNAL).is_file():
        raise RecordError(f"{store} is unfinished: run the same extract again to finish it")
    if manifest is None:
        raise RecordError(f"{store} is not a store of activations that onegrain wrote")
    if not isinstance(manifest.get("format"), int) or manifest["format"] > FORMAT:
        raise RecordError(
            f"{store} has format {manifest.get('format')}, but this version of onegrain reads formats up to "
            f"{FORMAT}; install a newer onegrain"
        )
    if manifest.get("complete") is not True:
        raise RecordError(f"{store} is unfinished: run the same extract again to finish it")
    return manifest


def _read_corpus(store: Path, manifest: Mapping[str, Any]) -> Corpus:
    ends = _read(store, "word_ends")
    offsets = _read(store, "sentences")
    text = _read(store, "words").tobytes()
    begins = np.concatenate([[0], ends[:-1]])
    words = tuple(
        text[begin:end].decode("utf-8", "surrogatepass")
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
    )
    layers = {}
    for number, layer in enumerate(manifest["layers"]):
        codes = _read(store, f"labels/{number}")
        if codes.min() < UNLABELLED or codes.max() >= len(layer["vocabulary"]):
            raise RecordError(f"{store} is damaged: label layer {layer['name']!r} is lost; extract it again")
        layers[layer["name"]] = LabelLayer(layer["name"], codes, tuple(layer["vocabulary"]))
    return Corpus(words, offsets, layers, manifest["source"])


def _read(store: Path, name: str) -> np.ndarray:
    return np.asarray(zarr.open_array(store / name, mode="r")[:])
