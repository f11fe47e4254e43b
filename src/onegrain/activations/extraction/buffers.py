"""Reuse memory between blocks of activations, since allocating fresh memory each time is slow."""

from __future__ import annotations

from queue import Empty, SimpleQueue

import numpy as np
from jaxtyping import Float32

__all__ = ["Buffers"]

PATIENCE = 2.0
"""Seconds to wait for the first buffer before a second one is allocated."""


class Buffers:
    """A pool of at most two float32 buffers; the second is allocated only if the first stays in use too long.

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
        return buffer if len(buffer) >= rows else np.empty((rows, self._width), dtype=np.float32)

    def give(self, buffer: Float32[np.ndarray, "rows width"]) -> None:
        """Return a buffer to the pool; safe to call from any thread."""
        self._idle.put(buffer)

    def _next(self) -> np.ndarray:
        if self._n_buffers == 2:
            return self._idle.get()
        try:
            return self._idle.get(timeout=PATIENCE * self._n_buffers)
        except Empty:
            self._n_buffers += 1
            return np.empty((0, self._width), dtype=np.float32)
