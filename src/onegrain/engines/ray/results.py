"""Send results from a worker as Arrow tables, so that large arrays are not copied into a pickle."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

__all__ = ["packed", "unpacked"]


def packed(value: Any) -> pa.Table:
    """Return a table with one binary column: the pickle of a value, then each of its out-of-band buffers."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [_binary(body), *(_binary(buffer.raw()) for buffer in buffers)]
    return pa.table({"part": pa.chunked_array(parts, type=pa.large_binary())})


def unpacked(table: pa.Table) -> Any:
    """Return the value in newly allocated memory, because the cluster's memory ends with the connection."""
    body, *buffers = (part for chunk in table["part"].chunks for part in _parts(chunk))
    return pickle.loads(body, buffers=[bytearray(buffer) for buffer in buffers])


def _parts(chunk: pa.LargeBinaryArray) -> Iterator[memoryview]:
    """Yield the binary values of an array without copying them."""
    _, edges, data = chunk.buffers()
    view = memoryview(data if data is not None else b"").cast("B")
    for index in range(chunk.offset, chunk.offset + len(chunk)):
        start, stop = np.frombuffer(edges, dtype=np.int64, count=2, offset=8 * index).tolist()
        yield view[start:stop]


def _binary(part: Any) -> pa.Array:
    """Return an array of one binary value without copying it."""
    buffer = pa.py_buffer(part)
    edges = pa.py_buffer(np.array([0, buffer.size], dtype=np.int64))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, edges, buffer])
