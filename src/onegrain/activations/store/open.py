"""The store: activations, words and labels as one Zarr v3 group, on disk or at any URL that fsspec reaches.

::

    STORE.zarr/
      zarr.json         the group; its attributes are the manifest, written last
      activations/      (words, neurons) float32 or float16, in shards of whole rows, each chunk checksummed
      words/            uint8: the words in UTF-8, one after the other
      word_ends/        int64 (words,): where in ``words`` each word ends
      sentences/        int64 (sentences + 1,): where each sentence begins, in words
      labels/0, 1, ...  int32 (words,): codes of the label layers, in the order in which the manifest names them
      missing/          int64: the words that have no activation; their rows are NaN
      journal.json      only while the store is unfinished: what it is to hold, and how many shards are written

The manifest holds the SHA-256 of every file but the shards, whose chunks carry a CRC-32C each, and its own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from sys import intern
from typing import Any

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore, StorePath

from onegrain.activations.store.array import MANIFEST, SHARDS, StoredArray
from onegrain.activations.store.journal import JOURNAL
from onegrain.activations.store.layout import is_store_file
from onegrain.activations.store.places.locate import Folder, folder_at
from onegrain.errors import OnegrainError, RecordError, StorageError
from onegrain.records.activations import Activations
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.records.provenance import Provenance
from onegrain.records.running_text import RunningText
from onegrain.records.space import NeuronSpace

__all__ = [
    "FORMAT",
    "MANIFEST",
    "SHARDS",
    "Grid",
    "digest_of",
    "open_activations",
    "read_manifest",
    "seal",
]

FORMAT = 2
SHARD_BYTES = 64 * 2**20
LEAST_ROWS = 64
SPANS = 10_000
MOST_ROWS = 16384
CHUNK_ROWS = 2048
CHUNK_COLUMNS = 64
AGAIN = "copy it again, or extract it again with force"


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


def open_activations(path: str | os.PathLike[str]) -> Activations:
    """Open a finished store; words and labels are loaded, activations are read as they are sliced.

    Args:
        path: a folder, or a URL that fsspec reaches, such as ``s3://bucket/ewt.zarr``.

    Raises:
        RecordError: nothing is there, or it is not a store, is unfinished, damaged, or of another format.
        StorageError: the URL cannot be reached.
        MissingExtraError: the URL's protocol needs a package that is not installed.
    """
    folder = folder_at(path)
    manifest = _finished_manifest(folder)
    with _damage(folder):
        files = _intact(folder, manifest["files"])
    with _damage(folder, RecordError):
        corpus = _read_corpus(files, manifest)
        space = NeuronSpace.from_json(manifest["space"])
        provenance = Provenance.model_validate(manifest["provenance"])
        missing = np.zeros(corpus.n_words, dtype=bool)
        missing[_array(files, "missing")] = True
        array = zarr.open_array(StorePath(folder.array_store("activations")), mode="r", zarr_format=3)
        if array.shape != (corpus.n_words, space.size) or array.dtype.kind != "f":
            raise ValueError(f"an array {array.shape} of {array.dtype} for {corpus.n_words} words")
        n_shards = -(-corpus.n_words // array.shards[0])
    if provenance.corpus is None or corpus.content_hash != provenance.corpus.content_hash:
        raise RecordError(f"{folder} is damaged: its words are not those it was made from; {AGAIN}")
    _require_shards(folder, n_shards)
    stored = StoredArray(array, folder, space, missing)
    return Activations(
        stored, space, corpus, provenance, folder.place, missing=missing if missing.any() else None
    )


def seal(manifest: Mapping[str, Any]) -> bytes:
    """The bytes of a group whose attributes are the manifest and its own checksum."""
    checksum = digest_of(json.dumps(manifest, sort_keys=True).encode())
    group = {"zarr_format": 3, "node_type": "group", "attributes": {**manifest, "checksum": checksum}}
    return (json.dumps(group, indent=2, sort_keys=True) + "\n").encode()


def read_manifest(folder: Folder) -> dict[str, Any] | None:
    """The manifest of a finished store, or None where there is none.

    Raises:
        RecordError: the manifest is damaged, or of another format.
    """
    data = folder.read(MANIFEST)
    try:
        attributes = json.loads((data or b"").decode("utf-8"))["attributes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(attributes, dict) or attributes.get("record") != "activations":
        return None
    if attributes.get("format") != FORMAT:
        raise RecordError(
            f"{folder} has format {attributes.get('format')}, but this version of onegrain reads format "
            f"{FORMAT}; extract it again, or install the onegrain that wrote it"
        )
    manifest = {name: value for name, value in attributes.items() if name != "checksum"}
    if seal(manifest) != data:
        raise RecordError(f"{folder} is damaged at {MANIFEST}: its checksum is another; {AGAIN}")
    return manifest


def _finished_manifest(folder: Folder) -> dict[str, Any]:
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest
    if folder.read(JOURNAL) is not None:
        raise RecordError(f"{folder} is unfinished: run the same extract again to finish it")
    if folder.exists():
        raise RecordError(f"{folder} is not a store of activations that onegrain wrote")
    raise RecordError(f"{folder} does not exist")


def _intact(folder: Folder, digests: Mapping[str, str]) -> dict[str, bytes]:
    """The files beside the shards, each as it was written."""
    files = {}
    foreign = [name for name in digests if not is_store_file(name)]
    if foreign:
        raise RecordError(
            f"{folder} is damaged: its manifest names {foreign[0]!r}, which no store has; {AGAIN}"
        )
    for name, data in folder.read_all(sorted(digests)).items():
        if data is None:
            raise RecordError(f"{folder} is damaged: {name} is lost; {AGAIN}")
        if digest_of(data) != digests[name]:
            raise RecordError(f"{folder} is damaged at {name}: its checksum is another; {AGAIN}")
        files[name] = data
    return files


def _require_shards(folder: Folder, expected: int) -> None:
    there = set(folder.names())
    lost = [name for name in (f"{SHARDS}{shard}/0" for shard in range(expected)) if name not in there]
    if lost:
        raise RecordError(
            f"{folder} is damaged: {len(lost)} of {expected} shards are lost, the first {lost[0]}; {AGAIN}"
        )


def _read_corpus(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Corpus:
    _require_text(manifest["source"])
    words = _text(files, "words", "word_ends")
    running = None
    if any(name.startswith("forms/") for name in files):
        spaces = _array(files, "spaces").astype(bool)
        running = RunningText(_text(files, "forms", "form_ends"), spaces)
    layers = {}
    for number, layer in enumerate(manifest["layers"]):
        _require_text(layer["name"], *layer["vocabulary"])
        codes = _array(files, f"labels/{number}")
        if codes.min() < UNLABELLED or codes.max() >= len(layer["vocabulary"]):
            raise ValueError(f"label layer {layer['name']!r} holds codes without a label")
        layers[layer["name"]] = LabelLayer(layer["name"], codes, tuple(layer["vocabulary"]))
    return Corpus(words, _array(files, "sentences"), layers, manifest["source"], running=running)


def _require_text(*values: object) -> None:
    """Check that values of a manifest are strings."""
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not text")


def _text(files: Mapping[str, bytes], name: str, ends: str) -> tuple[str, ...]:
    """The strings whose bytes one array holds, and another where each ends."""
    text = _array(files, name).tobytes()
    spans = _spans(_array(files, ends))
    return tuple(intern(text[start:stop].decode("utf-8", "surrogatepass")) for start, stop in spans)


def _spans(ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Where each word begins and ends; a list of all those numbers would take more memory than the words."""
    start = 0
    for at in range(0, len(ends), SPANS):
        for stop in ends[at : at + SPANS].tolist():
            yield start, stop
            start = stop


def _array(files: Mapping[str, bytes], name: str) -> np.ndarray:
    """One of the small arrays, decoded from the bytes of its files."""
    buffer = default_buffer_prototype().buffer
    start = len(name) + 1
    own = {key[start:]: buffer.from_bytes(data) for key, data in files.items() if key.startswith(f"{name}/")}
    return np.asarray(zarr.open_array(MemoryStore(own, read_only=True), mode="r")[:])


@contextmanager
def _damage(folder: Folder, *also: type[OnegrainError]) -> Iterator[None]:
    """Turn what a damaged store raises, which may be anything, into the one error that names the store."""
    try:
        yield
    except Exception as error:
        if isinstance(error, (RecordError, StorageError)) and not isinstance(error, also):
            raise
        told = (" ".join(str(error).split()) or type(error).__name__)[:300]
        raise RecordError(f"{folder} is damaged ({told}); {AGAIN}") from error


def digest_of(data: bytes) -> str:
    """SHA-256, hex."""
    return hashlib.sha256(data).hexdigest()
