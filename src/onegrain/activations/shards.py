"""The bytes of a shard, as Zarr's ``sharding_indexed`` codec lays them out.

Zarr reads what is written here. Its own writer copies every value several times, into memory that is new each
time; here a value is copied once, into a small buffer that stays. Beside a small model the difference is felt.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

import google_crc32c
import numpy as np

from onegrain.activations.direct import PAGE
from onegrain.activations.store import Grid

__all__ = ["ShardEncoder"]

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
