"""The bytes of a shard, as Zarr's ``sharding_indexed`` codec lays them out.

Zarr reads what is written here, and writes what is read here. It copies every value several times, into memory
that is new each time; here a value is copied once more than the system does, through a buffer of a few chunks.
Beside a small model, and in a pass over many words, the difference is felt.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np

from onegrain.activations.store.places.direct_io import PAGE

if TYPE_CHECKING:
    from onegrain.activations.store.open import Grid

__all__ = ["ShardDecoder", "ShardEncoder"]

CHECKSUM_BYTES = 4
INDEX_BYTES = 16
PIECE_BYTES = 8 * 2**20
NO_CHUNK = np.uint64(2**64 - 1)


class ShardEncoder:
    """Encodes shards of one array: chunks row after row, each with its CRC-32C, then the index with its own.

    Args:
        grid: how the array is cut.
        dtype: of the stored values; little-endian.
    """

    def __init__(self, grid: Grid, dtype: str) -> None:
        self._grid = grid
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shape = grid.rows // grid.chunk_rows, grid.columns // grid.chunk_columns
        self._chunk_bytes = grid.chunk_rows * grid.chunk_columns * self._dtype.itemsize
        index = self._shape[0] * self._shape[1] * INDEX_BYTES
        size = PIECE_BYTES + max(self._chunk_bytes, index) + CHECKSUM_BYTES
        self._buffer = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)  # begins with a page of memory

    def encode(self, block: np.ndarray) -> Iterator[memoryview]:
        """The bytes of a shard that holds a block (words, neurons), in pieces of whole pages but for the last.

        Each piece begins with a page of memory, and is valid until the next is asked for. Chunks without any
        word are left out; what a chunk lacks is NaN.
        """
        index = np.full((*self._shape, 2), NO_CHUNK, dtype="<u8")
        length = self._chunk_bytes + CHECKSUM_BYTES
        given = at = 0
        for row, column in np.ndindex(*self._shape):
            rows = block[row * self._grid.chunk_rows : (row + 1) * self._grid.chunk_rows]
            if not len(rows):
                continue
            left = column * self._grid.chunk_columns
            self._put_chunk(at, rows[:, left : left + self._grid.chunk_columns])
            index[row, column] = given + at, length
            at += length
            if at >= PIECE_BYTES:
                whole = at // PAGE * PAGE
                yield self._buffer[:whole].data
                self._buffer[: at - whole] = self._buffer[whole:at]
                given, at = given + whole, at - whole
        at = self._put(at, np.frombuffer(index.tobytes(), dtype=np.uint8))
        yield self._buffer[:at].data

    def _put_chunk(self, at: int, values: np.ndarray) -> None:
        raw = self._buffer[at : at + self._chunk_bytes]
        shape = self._grid.chunk_rows, self._grid.chunk_columns
        chunk = np.ndarray(shape, dtype=self._dtype, buffer=raw.data)
        if values.shape != shape:
            chunk.fill(np.nan)
        chunk[: values.shape[0], : values.shape[1]] = values
        self._sign(at, self._chunk_bytes)

    def _put(self, at: int, data: np.ndarray) -> int:
        self._buffer[at : at + len(data)] = data
        self._sign(at, len(data))
        return at + len(data) + CHECKSUM_BYTES

    def _sign(self, at: int, length: int) -> None:
        """Put the checksum of some bytes behind them."""
        checksum = google_crc32c.value(self._buffer[at : at + length])
        behind = self._buffer[at + length : at + length + CHECKSUM_BYTES]
        behind[:] = np.frombuffer(int(checksum).to_bytes(CHECKSUM_BYTES, "little"), dtype=np.uint8)


class ShardDecoder:
    """Reads ranges of one array from shards on a disk of this machine, chunk by chunk.

    What it raises tells no user what to do: whoever asked for the values looks for the damage then.

    Args:
        folder: of the shards; each lies in a folder with its number.
        shard: words and neurons of a shard.
        chunk: words and neurons of a chunk.
        dtype: of the stored values.
    """

    def __init__(self, folder: Path, shard: tuple[int, int], chunk: tuple[int, int], dtype: np.dtype) -> None:
        self._folder = folder
        self._shard = shard
        self._chunk = chunk
        self._dtype = dtype.newbyteorder("<")

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` (rows, columns) with the values of two ranges that the array has.

        Raises:
            OSError: a shard cannot be read.
            ValueError: a shard is not as it was written.
        """
        length = self._chunk[0] * self._chunk[1] * self._dtype.itemsize + CHECKSUM_BYTES
        buffer = np.empty(length, dtype=np.uint8)
        for number, inside, here in _pieces(rows, self._shard[0]):
            with (self._folder / str(number) / "0").open("rb", buffering=0) as file:
                self._read_shard(file, out[inside], here, columns, buffer)

    def _read_shard(
        self, file: FileIO, out: np.ndarray, rows: slice, columns: slice, buffer: np.ndarray
    ) -> None:
        index = self._index(file)
        for row, down, tall in _pieces(rows, self._chunk[0]):
            for column, across, wide in _pieces(columns, self._chunk[1]):
                offset, length = index[row, column].tolist()
                if offset == NO_CHUNK:
                    out[down, across] = np.nan
                    continue
                if length != len(buffer):
                    raise ValueError(f"a chunk of {length} bytes instead of {len(buffer)}")
                values = _read_signed(file, buffer, offset).view(self._dtype)
                out[down, across] = values.reshape(self._chunk)[tall, wide]

    def _index(self, file: FileIO) -> np.ndarray:
        """uint64 (rows of chunks, columns of chunks, 2): where each chunk begins, and how long it is."""
        shape = self._shard[0] // self._chunk[0], self._shard[1] // self._chunk[1]
        found = np.empty(shape[0] * shape[1] * INDEX_BYTES + CHECKSUM_BYTES, dtype=np.uint8)
        return _read_signed(file, found, file.seek(0, os.SEEK_END) - len(found)).view("<u8").reshape(*shape, 2)


def _pieces(asked: slice, size: int) -> Iterator[tuple[int, slice, slice]]:
    """The pieces of some size that a range touches: their number, which part of the range, and of the piece."""
    for number in range(asked.start // size, -(-asked.stop // size)):
        first = number * size
        start, stop = max(asked.start, first), min(asked.stop, first + size)
        yield number, slice(start - asked.start, stop - asked.start), slice(start - first, stop - first)


def _read_signed(file: FileIO, into: np.ndarray, offset: int) -> np.ndarray:
    """Fill a buffer with bytes and the checksum behind them; gives the bytes."""
    file.seek(offset)
    at = 0
    while at < len(into):
        count = file.readinto(into[at:].data)
        if not count:
            raise ValueError("a shard ends too early")
        at += count
    signed, sign = into[:-CHECKSUM_BYTES], into[-CHECKSUM_BYTES:]
    if int(google_crc32c.value(signed)) != int.from_bytes(sign.tobytes(), "little"):
        raise ValueError("a checksum is another")
    return signed
