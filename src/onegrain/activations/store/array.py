"""The (words, neurons) array of a store, whose chunks are read when it is sliced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from zarr.core.buffer import default_buffer_prototype

from onegrain.activations.store.layout import MANIFEST, SHARDS, shard_file
from onegrain.activations.store.manifest import REMEDY
from onegrain.activations.store.places.folder import Folder
from onegrain.activations.store.shards import ShardDecoder
from onegrain.errors import RecordError, StorageError
from onegrain.records.space import NeuronSpace

__all__ = ["Chunk", "StoredArray"]


@dataclass(frozen=True)
class Chunk:
    """A checksummed piece of the array.

    Attributes:
        rows: its words.
        columns: its neurons.
        file: name of the shard file that holds it.
    """

    rows: slice
    columns: slice
    file: str


class StoredArray:
    """A read-only array of activations that reads the chunks a slice touches and refuses damaged ones.

    A store holds finite values, except in the rows of words without an activation, which are NaN. Zarr fills
    lost chunks with NaN, so that a NaN in any other row reveals a lost chunk.

    Args:
        array: the Zarr array (words, neurons).
        folder: the place of the store.
        space: the neurons of the store.
        missing: bool (words,), True for words without an activation.
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
        """The number of neurons in a chunk of a local store; None if the store lies at a URL."""
        return None if self._decoder is None else int(self._array.chunks[1])

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return the values at a NumPy index of rows, or of rows and columns, of slices or integers."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        return self._read_checked(self._array.__getitem__, rows, columns)

    def take(self, rows: Any, columns: Any) -> np.ndarray:
        """Return (rows, columns) for slices or increasing int64 indices; only the touched chunks are read."""
        return self._read_checked(self._array.oindex.__getitem__, rows, columns)

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` (rows, columns), whose dtype must be able to hold the values, from two ranges."""
        self._read_checked(partial(self._read, out), rows, columns)

    def _read(self, out: np.ndarray, key: tuple[slice, slice]) -> np.ndarray:
        if self._decoder is None:
            target = default_buffer_prototype().nd_buffer.from_numpy_array(out)
            self._array.get_basic_selection(key, out=target)
        else:
            self._decoder.read_into(out, *key)
        return out

    def shards(self) -> Iterator[slice]:
        """Yield the words of each shard."""
        step = self._array.shards[0]
        for first in range(0, self.shape[0], step):
            yield slice(first, min(first + step, self.shape[0]))

    def chunks(self) -> Iterator[Chunk]:
        """Yield every chunk, shard by shard."""
        tall, wide = self._array.chunks
        for number, shard in enumerate(self.shards()):
            for top in range(shard.start, shard.stop, tall):
                rows = slice(top, min(top + tall, shard.stop))
                for left in range(0, self.shape[1], wide):
                    columns = slice(left, min(left + wide, self.shape[1]))
                    yield Chunk(rows, columns, shard_file(number))

    def damage(self, rows: slice = slice(None), columns: slice = slice(None)) -> list[Chunk]:
        """Return the damaged chunks that touch the given words and neurons; each chunk is read separately."""
        (top, bottom, _), (left, right, _) = (
            wanted.indices(size) for wanted, size in zip((rows, columns), self.shape, strict=True)
        )
        return [
            chunk
            for chunk in self.chunks()
            if chunk.rows.start < bottom
            and chunk.rows.stop > top
            and chunk.columns.start < right
            and chunk.columns.stop > left
            and not self._is_intact(chunk)
        ]

    def describe(self, chunk: Chunk) -> str:
        """Return a description of a chunk for messages: its file, its words and its neurons."""
        last = chunk.columns.stop - 1
        return (
            f"{chunk.file}: words {chunk.rows.start} to {chunk.rows.stop - 1}, neurons "
            f"{self._space.name(chunk.columns.start)} to {self._space.name(last)}"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __repr__(self) -> str:
        return f"StoredArray({self._folder}: {self.shape} {self.dtype})"

    def _read_checked(self, read: Callable[[tuple[Any, Any]], Any], rows: Any, columns: Any) -> np.ndarray:
        """Return what ``read`` reads at an index, or raise the error that locates the damage."""
        try:
            block = np.asarray(read((rows, columns)))
        except IndexError:
            raise
        except Exception as error:  # a decoder can fail with any error on a damaged file
            self._refuse(rows, columns, error)
        if not self._is_filled(block, rows):
            self._refuse(rows, columns, None)
        return block

    def _is_filled(self, block: np.ndarray, rows: Any) -> bool:
        """Return True if every NaN of a block lies in the row of a missing word."""
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isnan(block.sum(dtype=np.float32)):
                return True
        empty = np.isnan(block)
        if block.ndim == 2 or not isinstance(rows, (int, np.integer)):
            empty = empty.any(axis=tuple(range(1, block.ndim)))
            return not (empty & ~self._missing[rows]).any()
        return not empty.any() or bool(self._missing[rows])

    def _is_intact(self, chunk: Chunk) -> bool:
        try:
            block = np.asarray(self._array[chunk.rows, chunk.columns])
        except Exception:  # see _read_checked
            return False
        return self._is_filled(block, chunk.rows)

    def _refuse(self, rows: Any, columns: Any, error: Exception | None) -> NoReturn:
        spans = [_span(wanted, size) for wanted, size in zip((rows, columns), self.shape, strict=True)]
        self._folder.read(MANIFEST)  # a failing disk or service is reported as such, not as damage
        damaged = self.damage(*spans)
        if not damaged and error is not None:
            raise StorageError(
                f"{self._folder} could not be read ({type(error).__name__}: {error}), but a second attempt "
                "succeeded; run the same command again"
            ) from error
        raise RecordError(
            f"{self._folder} is damaged at {self.describe(damaged[0])}"
            + (f", and {len(damaged) - 1} chunks more" if len(damaged) > 1 else "")
            + f"; {REMEDY}"
        ) from error


def _span(index: Any, size: int) -> slice:
    """Return the smallest slice that covers an index into a dimension, or all of it for a negative step."""
    if isinstance(index, slice):
        return slice(*index.indices(size)[:2]) if (index.step or 1) > 0 else slice(0, size)
    numbers = np.atleast_1d(np.asarray(index))
    numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers % size
    return slice(int(numbers.min()), int(numbers.max()) + 1) if numbers.size else slice(0, 0)
