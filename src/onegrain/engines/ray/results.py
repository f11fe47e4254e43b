"""Results on their way from a worker, as tables of Arrow: large arrays are not copied into a pickle."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["packed", "unpacked"]


def packed(value: Any) -> pa.Table:
    """A table with one binary column: the pickle of a value, and then each buffer that lies beside it."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [_binary(body), *(_binary(buffer.raw()) for buffer in buffers)]
    return pa.table({"part": pa.chunked_array(parts, type=pa.large_binary())})


def unpacked(table: pa.Table) -> Any:
    """The value, with memory of its own: that of the cluster is gone when the connection ends."""
    body, *buffers = (part for chunk in table["part"].chunks for part in _parts(chunk))
    return pickle.loads(body, buffers=[bytearray(buffer) for buffer in buffers])


def _parts(chunk: pa.LargeBinaryArray) -> Iterator[memoryview]:
    """The binary values of an array, without a copy."""
    _, edges, data = chunk.buffers()
    every = memoryview(data if data is not None else b"").cast("B")
    for at in range(chunk.offset, chunk.offset + len(chunk)):
        start, stop = np.frombuffer(edges, dtype=np.int64, count=2, offset=8 * at).tolist()
        yield every[start:stop]


def _binary(part: Any) -> pa.Array:
    """An array of one binary value, without a copy."""
    buffer = pa.py_buffer(part)
    edges = pa.py_buffer(np.array([0, buffer.size], dtype=np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, edges, buffer])
