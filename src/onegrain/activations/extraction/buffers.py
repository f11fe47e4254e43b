"""Memory that is used again and again: new memory costs far more than its first use suggests."""

from __future__ import annotations

from queue import Empty, SimpleQueue

import numpy as np
from jaxtyping import Float32

__all__ = ["Buffers"]

PATIENCE = 2.0
"""Seconds to wait for the first buffer, before there is a second."""


class Buffers:
    """Float32 buffers of rows: one, and a second where the first is still in use when the next is needed.

    Args:
        width: of a row.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._idle: SimpleQueue[np.ndarray] = SimpleQueue()
        self._made = 0

    def take(self, rows: int) -> Float32[np.ndarray, "rows width"]:
        """A buffer of so many rows at least, whatever they hold; waits while two are in use."""
        buffer = self._next()
        return buffer if len(buffer) >= rows else np.empty((rows, self._width), dtype=np.float32)

    def give(self, buffer: Float32[np.ndarray, "rows width"]) -> None:
        """Give a buffer back; from any thread."""
        self._idle.put(buffer)

    def _next(self) -> np.ndarray:
        if self._made == 2:
            return self._idle.get()
        try:
            return self._idle.get(timeout=PATIENCE * self._made)
        except Empty:
            self._made += 1
            return np.empty((0, self._width), dtype=np.float32)
