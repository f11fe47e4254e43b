"""Describe the content of a store, and encode all of its files other than the activations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import zarr
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from onegrain.activations.store.layout import Grid
from onegrain.activations.store.manifest import FORMAT
from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import Provenance
from onegrain.records.space import NeuronSpace

__all__ = ["DTYPES", "StoreContent", "encode_array", "require_dtype"]

DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class StoreContent:
    """The content of a store, without the activations themselves.

    Attributes:
        corpus: the words (the rows) and their label layers.
        space: the neurons (the columns).
        provenance: the model, corpus and options from which the activations come.
        dtype: ``float32`` or ``float16``.
    """

    corpus: Corpus
    space: NeuronSpace
    provenance: Provenance
    dtype: str

    @property
    def grid(self) -> Grid:
        """The sizes of the array's shards and chunks."""
        return Grid.of(self.corpus.n_words, self.space.size)

    @property
    def n_shards(self) -> int:
        """The number of shards of the array."""
        return self.grid.n_shards(self.corpus.n_words)

    def manifest(self) -> dict[str, Any]:
        """Return the fields of the manifest that describe the content."""
        layers = sorted(self.corpus.layers.values(), key=lambda layer: layer.name)
        return {
            "record": "activations",
            "format": FORMAT,
            "source": self.corpus.source,
            "space": self.space.to_json(),
            "layers": [{"name": layer.name, "vocabulary": list(layer.vocabulary)} for layer in layers],
            "provenance": self.provenance.model_dump(mode="json"),
        }

    def identity(self) -> dict[str, Any]:
        """Return the fields that must be equal for a run to resume an unfinished store."""
        digest = hashlib.sha256()
        for name, layer in sorted(self.corpus.layers.items()):
            digest.update(json.dumps([name, layer.vocabulary]).encode())
            digest.update(np.ascontiguousarray(layer.codes, dtype="<i4").tobytes())
        return {
            **self.provenance.model_dump(mode="json"),
            "neurons": self.space.to_json(),
            "labels": digest.hexdigest(),
            "grid": asdict(self.grid),
            "format": FORMAT,
        }

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and bytes of every file that does not depend on the activations.

        They are the words, sentence boundaries and labels, and the description of the array of activations.
        """
        corpus = self.corpus
        yield from _encode_text("words", "word_ends", corpus.words)
        if corpus.running is not None:
            yield from _encode_text("forms", "form_ends", corpus.running.texts)
            yield from encode_array("spaces", corpus.running.spaces.astype(np.uint8)).items()
        yield from encode_array("sentences", np.asarray(corpus.offsets, dtype=np.int64)).items()
        group = {"zarr_format": 3, "node_type": "group", "attributes": {}}
        yield "labels/zarr.json", (json.dumps(group, indent=2, sort_keys=True) + "\n").encode()
        yield from self._array().items()
        for number, name in enumerate(sorted(corpus.layers)):
            yield from encode_array(f"labels/{number}", corpus.layers[name].codes.astype(np.int32)).items()

    def _array(self) -> dict[str, bytes]:
        """Return the file that describes the array of activations, by its name.

        The fill value is NaN, so that a lost shard cannot be mistaken for zeros.
        """
        grid = self.grid
        buffers: dict[str, Buffer] = {}
        zarr.create_array(
            MemoryStore(buffers),
            shape=(self.corpus.n_words, self.space.size),
            shards=(grid.rows, grid.columns),
            chunks=(grid.chunk_rows, grid.chunk_columns),
            dtype=self.dtype,
            filters=None,
            compressors=[Crc32cCodec()],
            fill_value=float("nan"),
        )
        return {f"activations/{key}": data.to_bytes() for key, data in sorted(buffers.items())}


def require_dtype(dtype: str) -> None:
    """Raise ParameterError unless a store can hold the dtype."""
    if dtype not in DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")


def _encode_text(name: str, ends: str, words: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files that encode strings: their concatenated bytes, and the offset at which each ends."""
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    yield from encode_array(name, np.frombuffer(b"".join(encoded), dtype=np.uint8)).items()
    yield from encode_array(ends, np.cumsum([len(word) for word in encoded], dtype=np.int64)).items()


def encode_array(name: str, values: np.ndarray) -> dict[str, bytes]:
    """Return the files of a small Zarr array as a dict of bytes by name."""
    buffers: dict[str, Buffer] = {}
    array = zarr.create_array(
        MemoryStore(buffers),
        shape=values.shape,
        chunks=(max(1, len(values)),),
        dtype=values.dtype,
        compressors=[ZstdCodec(level=3, checksum=False), Crc32cCodec()],
        fill_value=int(np.iinfo(values.dtype).min),
    )
    array[:] = values
    return {f"{name}/{key}": data.to_bytes() for key, data in sorted(buffers.items())}
