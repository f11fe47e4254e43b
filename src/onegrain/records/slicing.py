"""Reading some words and neurons of an array of activations: ranges of columns, indices and buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from onegrain.errors import ParameterError

__all__ = ["ReadsInto", "column_runs", "increasing_indices", "shaped_buffer"]


@runtime_checkable
class ReadsInto(Protocol):
    """An array that reads into memory which the caller provides."""

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` with the values of some rows and columns."""


def shaped_buffer(buffer: np.ndarray | None, words: int, neurons: int) -> np.ndarray:
    """Return the first part of a buffer, or new memory, as (words, neurons)."""
    if buffer is None:
        return np.empty((words, neurons), dtype=np.float32)
    if buffer.size < words * neurons:
        raise ParameterError(
            f"a buffer of {buffer.size} values for {words} words of {neurons} neurons; give one of "
            f"{words * neurons} or more"
        )
    return buffer[: words * neurons].reshape(words, neurons)


def column_runs(columns: np.ndarray) -> list[tuple[int, int]]:
    """Return the ranges ``start:stop`` of consecutive columns that increasing columns consist of."""
    breaks = np.flatnonzero(np.diff(columns) != 1) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(columns, breaks) if run.size]


def increasing_indices(
    indices: Sequence[int] | np.ndarray | None, size: int, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct indices, increasing, and the position among them of each index (all if None)."""
    if indices is None:
        return np.arange(size), np.arange(size)
    numbers = np.asarray(indices)
    if numbers.dtype == bool:
        if len(numbers) != size:
            raise ParameterError(f"a mask of {len(numbers)} for {size} {what}")
        numbers = np.flatnonzero(numbers)
    if numbers.size and (numbers.min() < 0 or numbers.max() >= size):
        raise ParameterError(f"{what} are numbered 0..{size - 1}")
    return np.unique(numbers.astype(np.int64), return_inverse=True)
