"""The (words, neurons) array of a store, read from where it lies as it is sliced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from zarr.core.buffer import default_buffer_prototype

from onegrain.activations.store.layout import MANIFEST
from onegrain.activations.store.places.folder import Folder
from onegrain.activations.store.shards import ShardDecoder
from onegrain.errors import RecordError, StorageError
from onegrain.records.space import NeuronSpace

__all__ = ["MANIFEST", "SHARDS", "Chunk", "StoredArray"]

SHARDS = "activations/c/"


@dataclass(frozen=True)
class Chunk:
    """One checksummed piece of the array: the words and neurons that it holds, and the file that holds it."""

    rows: slice
    columns: slice
    file: str


class StoredArray:
    """The activations of a store; a slice reads the chunks that it touches, and refuses damaged ones.

    A store holds finite values, but for the rows of words that have none, which are NaN. A NaN elsewhere, with
    which Zarr fills what is not there, is a chunk that was lost.

    Args:
        array: the Zarr array (words, neurons).
        folder: the store.
        space: its neurons.
        missing: bool (words,): the words that have no activation.
    """

    ndim = 2

    def __init__(self, array: Any, folder: Folder, space: NeuronSpace, missing: np.ndarray) -> None:
        self._array = array
        self._folder = folder
        self._space = space
        self._missing = missing
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype = np.dtype(array.dtype)
        place = folder.place
        self._decoder = (
            ShardDecoder(place / SHARDS, array.shards, array.chunks, self.dtype)
            if isinstance(place, Path)
            else None
        )

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def column_step(self) -> int | None:
        """The neurons of a chunk, where chunks are read one by one; None where they lie elsewhere."""
        return None if self._decoder is None else int(self._array.chunks[1])

    def __getitem__(self, key: Any) -> np.ndarray:
        """Rows and columns by slices or numbers, as numpy does."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        return self._checked(self._array.__getitem__, rows, columns)

    def take(self, rows: Any, columns: Any) -> np.ndarray:
        """(rows, columns) for any slices, or increasing int64 indices; only the chunks they touch are read."""
        return self._checked(self._array.oindex.__getitem__, rows, columns)

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` (rows, columns), of a dtype that holds the values, with those of two ranges."""
        self._checked(partial(self._read, out), rows, columns)

    def _read(self, out: np.ndarray, key: tuple[slice, slice]) -> np.ndarray:
        if self._decoder is None:
            target = default_buffer_prototype().nd_buffer.from_numpy_array(out)
            self._array.get_basic_selection(key, out=target)
        else:
            self._decoder.read_into(out, *key)
        return out

    def shards(self) -> Iterator[slice]:
        """The words of every shard."""
        step = self._array.shards[0]
        for first in range(0, self.shape[0], step):
            yield slice(first, min(first + step, self.shape[0]))

    def chunks(self) -> Iterator[Chunk]:
        """Every chunk, shard after shard."""
        step, across = self._array.chunks
        for number, shard in enumerate(self.shards()):
            file = f"{SHARDS}{number}/0"
            for start in range(shard.start, shard.stop, step):
                rows = slice(start, min(start + step, shard.stop))
                for left in range(0, self.shape[1], across):
                    yield Chunk(rows, slice(left, min(left + across, self.shape[1])), file)

    def damage(self, rows: slice = slice(None), columns: slice = slice(None)) -> list[Chunk]:
        """The damaged chunks among those that hold some words and neurons, each read by itself."""
        (top, bottom, _), (left, right, _) = (
            asked.indices(size) for asked, size in zip((rows, columns), self.shape, strict=True)
        )
        return [
            chunk
            for chunk in self.chunks()
            if chunk.rows.start < bottom
            and chunk.rows.stop > top
            and chunk.columns.start < right
            and chunk.columns.stop > left
            and not self._whole(chunk)
        ]

    def describe(self, chunk: Chunk) -> str:
        """A chunk in words: its file, and which words and neurons it holds."""
        last = chunk.columns.stop - 1
        return (
            f"{chunk.file}: words {chunk.rows.start} to {chunk.rows.stop - 1}, neurons "
            f"{self._space.name(chunk.columns.start)} to {self._space.name(last)}"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __repr__(self) -> str:
        return f"StoredArray({self._folder}: {self.shape} {self.dtype})"

    def _checked(self, read: Callable[[tuple[Any, Any]], Any], rows: Any, columns: Any) -> np.ndarray:
        try:
            block = np.asarray(read((rows, columns)))
        except IndexError:
            raise
        except Exception as error:  # a damaged file may fail in any way in which a decoder can
            self._refuse(rows, columns, error)
        if not self._filled(block, rows):
            self._refuse(rows, columns, None)
        return block

    def _filled(self, block: np.ndarray, rows: Any) -> bool:
        """Whether there are no NaN but in the rows of missing words."""
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isnan(block.sum(dtype=np.float32)):
                return True
        empty = np.isnan(block)
        if block.ndim == 2 or not isinstance(rows, (int, np.integer)):
            empty = empty.any(axis=tuple(range(1, block.ndim)))
            return not (empty & ~self._missing[rows]).any()
        return not empty.any() or bool(self._missing[rows])

    def _whole(self, chunk: Chunk) -> bool:
        try:
            block = np.asarray(self._array[chunk.rows, chunk.columns])
        except Exception:  # see _checked
            return False
        return self._filled(block, chunk.rows)

    def _refuse(self, rows: Any, columns: Any, error: Exception | None) -> NoReturn:
        spans = [_span(asked, size) for asked, size in zip((rows, columns), self.shape, strict=True)]
        self._folder.read(MANIFEST)  # where the disk or the service fails, that is what is told
        found = self.damage(*spans)
        if not found and error is not None:
            raise StorageError(
                f"{self._folder} could not be read ({type(error).__name__}: {error}), and then it could; run "
                "the same command again"
            ) from error
        raise RecordError(
            f"{self._folder} is damaged at {self.describe(found[0])}"
            + (f", and {len(found) - 1} chunks more" if len(found) > 1 else "")
            + "; copy it again, or extract it again with force"
        ) from error


def _span(asked: Any, size: int) -> slice:
    """The slice that holds whatever is asked for."""
    if isinstance(asked, slice):
        return slice(*asked.indices(size)[:2]) if (asked.step or 1) > 0 else slice(0, size)
    numbers = np.atleast_1d(np.asarray(asked))
    numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers % size
    return slice(int(numbers.min()), int(numbers.max()) + 1) if numbers.size else slice(0, 0)
