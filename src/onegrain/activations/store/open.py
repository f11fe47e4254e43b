"""Open a finished store: load its words and labels, and check that its files are intact."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from sys import intern
from typing import Any

import numpy as np
import zarr
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore, StorePath

from onegrain.activations.store.array import StoredArray
from onegrain.activations.store.journal import JOURNAL
from onegrain.activations.store.layout import is_store_file, shard_file
from onegrain.activations.store.manifest import REMEDY, digest_of, read_manifest
from onegrain.activations.store.places.folder import Folder
from onegrain.activations.store.places.locate import folder_at
from onegrain.errors import OnegrainError, RecordError, StorageError
from onegrain.records.activations import Activations
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.records.provenance import Provenance
from onegrain.records.running_text import RunningText
from onegrain.records.space import NeuronSpace

__all__ = ["open_activations"]

SPANS_AT_ONCE = 10_000


def open_activations(path: str | os.PathLike[str]) -> Activations:
    """Open a finished store; words and labels are loaded now, activations when they are sliced.

    Args:
        path: a folder, or a URL that fsspec reaches, such as ``s3://bucket/ewt.zarr``.

    Raises:
        RecordError: the path does not exist or is not a store, or the store is unfinished, damaged, or of
            another format.
        StorageError: the URL cannot be reached.
        MissingExtraError: the URL's protocol needs a package that is not installed.
    """
    folder = folder_at(path)
    manifest = _finished_manifest(folder)
    with _reporting_damage(folder):
        files = _intact_files(folder, manifest["files"])
    with _reporting_damage(folder, RecordError):
        corpus = _read_corpus(files, manifest)
        space = NeuronSpace.from_json(manifest["space"])
        provenance = Provenance.model_validate(manifest["provenance"])
        missing = np.zeros(corpus.n_words, dtype=bool)
        missing[_small_array(files, "missing")] = True
        array = zarr.open_array(StorePath(folder.array_store("activations")), mode="r", zarr_format=3)
        if array.shape != (corpus.n_words, space.size) or array.dtype.kind != "f":
            raise ValueError(f"an array {array.shape} of {array.dtype} for {corpus.n_words} words")
        n_shards = -(-corpus.n_words // array.shards[0])
    if provenance.corpus is None or corpus.content_hash != provenance.corpus.content_hash:
        raise RecordError(f"{folder} is damaged: its words differ from those that were extracted; {REMEDY}")
    _require_shards(folder, n_shards)
    stored = StoredArray(array, folder, space, missing)
    return Activations(
        stored, space, corpus, provenance, folder.place, missing=missing if missing.any() else None
    )


def _finished_manifest(folder: Folder) -> dict[str, Any]:
    manifest = read_manifest(folder)
    if manifest is not None:
        return manifest
    if folder.read(JOURNAL) is not None:
        raise RecordError(f"{folder} is unfinished: run the same extract again to finish it")
    if folder.exists():
        raise RecordError(f"{folder} is not a store of activations that onegrain wrote")
    raise RecordError(f"{folder} does not exist")


def _intact_files(folder: Folder, digests: Mapping[str, str]) -> dict[str, bytes]:
    """Read all files except the shards, and check that each has its SHA-256 (``digests``, by file name)."""
    files = {}
    foreign = [name for name in digests if not is_store_file(name)]
    if foreign:
        raise RecordError(
            f"{folder} is damaged: its manifest lists {foreign[0]!r}, which is not a file of a store; {REMEDY}"
        )
    for name, data in folder.read_all(sorted(digests)).items():
        if data is None:
            raise RecordError(f"{folder} is damaged: {name} is lost; {REMEDY}")
        if digest_of(data) != digests[name]:
            raise RecordError(f"{folder} is damaged at {name}: its checksum differs; {REMEDY}")
        files[name] = data
    return files


def _require_shards(folder: Folder, n_shards: int) -> None:
    names = set(folder.names())
    lost = [file for file in map(shard_file, range(n_shards)) if file not in names]
    if lost:
        raise RecordError(
            f"{folder} is damaged: {len(lost)} of {n_shards} shards are lost, the first {lost[0]}; {REMEDY}"
        )


def _read_corpus(files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Corpus:
    _require_text(manifest["source"])
    words = _text(files, "words", "word_ends")
    running = None
    if any(name.startswith("forms/") for name in files):
        spaces = _small_array(files, "spaces").astype(bool)
        running = RunningText(_text(files, "forms", "form_ends"), spaces)
    layers = {}
    for number, layer in enumerate(manifest["layers"]):
        _require_text(layer["name"], *layer["vocabulary"])
        codes = _small_array(files, f"labels/{number}")
        if codes.min() < UNLABELLED or codes.max() >= len(layer["vocabulary"]):
            raise ValueError(f"label layer {layer['name']!r} holds codes without a label")
        layers[layer["name"]] = LabelLayer(layer["name"], codes, tuple(layer["vocabulary"]))
    return Corpus(words, _small_array(files, "sentences"), layers, manifest["source"], running=running)


def _require_text(*values: object) -> None:
    """Raise TypeError unless all values, which a manifest holds, are strings."""
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{value!r} is not text")


def _text(files: Mapping[str, bytes], name: str, ends: str) -> tuple[str, ...]:
    """Return strings, whose bytes one array holds and whose end offsets another holds."""
    text = _small_array(files, name).tobytes()
    spans = _spans(_small_array(files, ends))
    return tuple(intern(text[start:stop].decode("utf-8", "surrogatepass")) for start, stop in spans)


def _spans(ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each word, in pieces: a list of all numbers would be larger than the words."""
    start = 0
    for first in range(0, len(ends), SPANS_AT_ONCE):
        for stop in ends[first : first + SPANS_AT_ONCE].tolist():
            yield start, stop
            start = stop


def _small_array(files: Mapping[str, bytes], name: str) -> np.ndarray:
    """Decode an array other than the activations from the bytes of its files."""
    buffer = default_buffer_prototype().buffer
    prefix = f"{name}/"
    encoded = {
        file.removeprefix(prefix): buffer.from_bytes(data)
        for file, data in files.items()
        if file.startswith(prefix)
    }
    return np.asarray(zarr.open_array(MemoryStore(encoded, read_only=True), mode="r")[:])


@contextmanager
def _reporting_damage(folder: Folder, *also: type[OnegrainError]) -> Iterator[None]:
    """Turn any error that a damaged store causes into one RecordError that names the store.

    Errors that already are a RecordError or a StorageError pass unchanged unless ``also`` lists their type.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, (RecordError, StorageError)) and not isinstance(error, also):
            raise
        cause = (" ".join(str(error).split()) or type(error).__name__)[:300]
        raise RecordError(f"{folder} is damaged ({cause}); {REMEDY}") from error
