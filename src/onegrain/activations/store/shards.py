"""Encode and decode shards in the layout of Zarr's ``sharding_indexed`` codec.

Zarr can read and write the same bytes, but it copies every value several times into newly allocated memory.
This module copies each value only once, through a reused buffer of a few chunks, which is noticeably faster
with a small model or in a pass over many words.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import google_crc32c
import numpy as np

from onegrain.activations.store.layout import Grid
from onegrain.activations.store.places.direct_io import PAGE

__all__ = ["ShardDecoder", "ShardEncoder"]

CHECKSUM_BYTES = 4
INDEX_BYTES = 16
PIECE_BYTES = 8 * 2**20
NO_CHUNK = np.uint64(2**64 - 1)


class ShardEncoder:
    """An encoder for the shards of one array.

    A shard consists of its chunks in row-major order, each followed by its CRC-32C, and then the index with its
    own CRC-32C.

    Args:
        grid: the sizes of shards and chunks.
        dtype: dtype of the stored values, which are little-endian.
    """

    def __init__(self, grid: Grid, dtype: str) -> None:
        self._grid = grid
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shape = grid.rows // grid.chunk_rows, grid.columns // grid.chunk_columns
        self._chunk_bytes = grid.chunk_rows * grid.chunk_columns * self._dtype.itemsize
        index = self._shape[0] * self._shape[1] * INDEX_BYTES
        size = PIECE_BYTES + max(self._chunk_bytes, index) + CHECKSUM_BYTES
        self._buffer = np.frombuffer(mmap.mmap(-1, size), dtype=np.uint8)  # starts at a page of memory

    def encode(self, block: np.ndarray) -> Iterator[memoryview]:
        """Yield the bytes of the shard that holds a block (words, neurons).

        Every piece starts at a page of memory, and all pieces but the last fill full pages. A piece is valid
        until the next one is requested. Chunks without words are left out; incomplete chunks are padded with
        NaN.
        """
        index = np.full((*self._shape, 2), NO_CHUNK, dtype="<u8")
        length = self._chunk_bytes + CHECKSUM_BYTES
        yielded = filled = 0
        for row, column in np.ndindex(*self._shape):
            rows = block[row * self._grid.chunk_rows : (row + 1) * self._grid.chunk_rows]
            if not len(rows):
                continue
            left = column * self._grid.chunk_columns
            self._put_chunk(filled, rows[:, left : left + self._grid.chunk_columns])
            index[row, column] = yielded + filled, length
            filled += length
            if filled >= PIECE_BYTES:
                pages = filled // PAGE * PAGE
                yield self._buffer[:pages].data
                self._buffer[: filled - pages] = self._buffer[pages:filled]
                yielded, filled = yielded + pages, filled - pages
        filled = self._put(filled, np.frombuffer(index.tobytes(), dtype=np.uint8))
        yield self._buffer[:filled].data

    def _put_chunk(self, offset: int, values: np.ndarray) -> None:
        raw = self._buffer[offset : offset + self._chunk_bytes]
        shape = self._grid.chunk_rows, self._grid.chunk_columns
        chunk = np.ndarray(shape, dtype=self._dtype, buffer=raw.data)
        if values.shape != shape:
            chunk.fill(np.nan)
        chunk[: values.shape[0], : values.shape[1]] = values
        self._sign(offset, self._chunk_bytes)

    def _put(self, offset: int, data: np.ndarray) -> int:
        """Write bytes and their checksum into the buffer, and return the offset behind them."""
        self._buffer[offset : offset + len(data)] = data
        self._sign(offset, len(data))
        return offset + len(data) + CHECKSUM_BYTES

    def _sign(self, offset: int, length: int) -> None:
        """Write the checksum of some bytes of the buffer right after them."""
        end = offset + length
        checksum = google_crc32c.value(self._buffer[offset:end])
        self._buffer[end : end + CHECKSUM_BYTES] = np.frombuffer(
            int(checksum).to_bytes(CHECKSUM_BYTES, "little"), dtype=np.uint8
        )


class ShardDecoder:
    """A decoder that reads ranges of one array, chunk by chunk, from shards on a local disk.

    Its errors are not meant for users: the caller catches them and locates the damage.

    Args:
        folder: folder of the array; each shard lies in a subfolder named by its number.
        shard: numbers of words and neurons in a shard.
        chunk: numbers of words and neurons in a chunk.
        dtype: dtype of the stored values.
    """

    def __init__(self, folder: Path, shard: tuple[int, int], chunk: tuple[int, int], dtype: np.dtype) -> None:
        self._folder = folder
        self._shard = shard
        self._chunk = chunk
        self._dtype = dtype.newbyteorder("<")

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` (rows, columns) with the values at two ranges, which must lie within the array.

        Raises:
            OSError: a shard cannot be read.
            ValueError: a shard is damaged.
        """
        length = self._chunk[0] * self._chunk[1] * self._dtype.itemsize + CHECKSUM_BYTES
        buffer = np.empty(length, dtype=np.uint8)
        for number, out_rows, shard_rows in _pieces(rows, self._shard[0]):
            with (self._folder / str(number) / "0").open("rb", buffering=0) as file:
                self._read_shard(file, out[out_rows], shard_rows, columns, buffer)

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
        """Return the index, uint64 (rows of chunks, columns of chunks, 2): offset and length of each chunk."""
        shape = self._shard[0] // self._chunk[0], self._shard[1] // self._chunk[1]
        buffer = np.empty(shape[0] * shape[1] * INDEX_BYTES + CHECKSUM_BYTES, dtype=np.uint8)
        offset = file.seek(0, os.SEEK_END) - len(buffer)
        return _read_signed(file, buffer, offset).view("<u8").reshape(*shape, 2)


def _pieces(asked: slice, size: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield the pieces of length ``size`` that a range touches.

    Each is given by its number, the part of the range that it covers, and the part of the piece that is
    touched.
    """
    for number in range(asked.start // size, -(-asked.stop // size)):
        first = number * size
        start, stop = max(asked.start, first), min(asked.stop, first + size)
        yield number, slice(start - asked.start, stop - asked.start), slice(start - first, stop - first)


def _read_signed(file: FileIO, into: np.ndarray, offset: int) -> np.ndarray:
    """Fill a buffer from the file, check the checksum at its end, and return the bytes before that."""
    file.seek(offset)
    filled = 0
    while filled < len(into):
        count = file.readinto(into[filled:].data)
        if not count:
            raise ValueError("a shard ends too early")
        filled += count
    signed, checksum = into[:-CHECKSUM_BYTES], into[-CHECKSUM_BYTES:]
    if int(google_crc32c.value(signed)) != int.from_bytes(checksum.tobytes(), "little"):
        raise ValueError("a checksum differs")
    return signed
