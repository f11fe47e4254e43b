"""Reuse memory between blocks of activations, since allocating fresh memory each time is slow."""

from __future__ import annotations

from queue import Empty, SimpleQueue

import numpy as np
from jaxtyping import Float32

__all__ = ["Buffers"]

SPARE = 4
"""A new buffer has room for one more row for each of this many rows, so that a longer block fits too."""


class Buffers:
    """A pool of at most two float32 buffers; the second is allocated only if the first is in use.

    Args:
        width: number of values in a row.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._idle: SimpleQueue[np.ndarray] = SimpleQueue()
        self._n_buffers = 0

    def take(self, rows: int) -> Float32[np.ndarray, "rows width"]:
        """Return a buffer of at least ``rows`` rows with arbitrary content; wait while two are in use."""
        buffer = self._next()
        if len(buffer) >= rows:
            return buffer
        # the rows to spare take no memory until they are written
        return np.empty((rows + rows // SPARE, self._width), dtype=np.float32)

    def give(self, buffer: Float32[np.ndarray, "rows width"]) -> None:
        """Return a buffer to the pool; safe to call from any thread."""
        self._idle.put(buffer)

    def _next(self) -> np.ndarray:
        if self._n_buffers == 2:
            return self._idle.get()
        try:
            return self._idle.get_nowait()
        except Empty:
            self._n_buffers += 1
            return np.empty((0, self._width), dtype=np.float32)
