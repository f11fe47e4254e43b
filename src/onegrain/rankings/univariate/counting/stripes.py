"""A stripe of neurons: what is counted of them at one block of words after another."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.kernels import take_in, tally

__all__ = ["Histogram", "Stripe"]

TILE = 128
"""Neurons whose cells are counted together: under one label their histograms are 128 KiB."""
WAITING_WORDS, WAITING_BYTES = 2048, 2**25
"""Of each label, whose cells (uint8) wait to be counted together: so many, or what so many bytes hold."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """How often the neurons of a stripe are in each cell.

    Attributes:
        cells: of the neurons.
        table: int32 (neurons, labels, cells), zeros; the counts, once the stripe is finished.
    """

    cells: Cells
    table: Int32[np.ndarray, "neurons labels cells"]


class Stripe:
    """A range of neurons, and what is known of them.

    Args:
        size: how many neurons.
        n_labels: how many labels there are.
        needs: what is counted beside means and deviations.
        histogram: None where it is not asked for.

    Attributes:
        extremes: float32 (2, neurons), the least and greatest value so far.
        positive: int64 (labels, neurons), how often a neuron is above 0; without rows where not asked for.
        mean: float64 (labels, neurons), over the words so far.
        squares: likewise, sums of squared deviations from it.
        cells: of the histogram; None without one.
    """

    def __init__(self, size: int, n_labels: int, needs: Collection[str], histogram: Histogram | None) -> None:
        self.extremes = np.empty((2, size), dtype=np.float32)
        self.extremes[:1], self.extremes[1:] = np.inf, -np.inf
        self.positive = np.zeros((n_labels if "positive" in needs else 0, size), dtype=np.int64)
        self.mean, self.squares = np.zeros((2, n_labels, size))
        self.cells = None if histogram is None else histogram.cells
        self._words = np.zeros(n_labels, dtype=np.int64)
        self._room = np.empty((3, n_labels, size))
        self._histogram = _histogram(size, n_labels, histogram)

    def take_in(self, block: Float32[np.ndarray, "words neurons"], codes: Int64[np.ndarray, " words"]) -> bool:
        """Take in a block and its labels; False where a value is not finite."""
        return take_in(
            block,
            codes,
            (self._words, self.mean, self.squares),
            self._room,
            self.extremes,
            self.positive,
            self._histogram,
        )

    def finish(self) -> None:
        """Nothing more will come."""
        tally(*self._histogram[1:])


def _histogram(
    size: int, n_labels: int, asked: Histogram | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What ``take_in`` needs of it."""
    held = np.zeros(n_labels, dtype=np.int64)
    if asked is None:
        scale, waiting = np.empty((0, size), np.float32), np.empty((0, n_labels, 0, TILE), np.uint8)
        return scale, waiting, held, np.empty((0, n_labels, 0), np.int32)
    room = max(1, min(WAITING_WORDS, WAITING_BYTES // (n_labels * size)))
    waiting = np.empty((-(-size // TILE), n_labels, room, TILE), np.uint8)
    return np.stack([asked.cells.middle, asked.cells.unit, *asked.cells.factors]), waiting, held, asked.table
