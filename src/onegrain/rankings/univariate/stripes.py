"""A stripe of neurons: what is counted of them at one block of words after another."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from onegrain.rankings.univariate.cells import Cells
from onegrain.rankings.univariate.kernels import take_in, tally
from onegrain.rankings.univariate.spread import Spread

__all__ = ["Histogram", "Stripe"]

TILE = 128
"""Neurons whose cells are counted together: under one label their histograms are 128 KiB."""
WAITING_WORDS, WAITING_BYTES = 2**13, 2**26
"""Whose cells wait to be counted together, at most, if there is one block of them."""


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
        rows: words of a block, at most.
        needs: what is counted beside means and deviations.
        histogram: None where it is not asked for.

    Attributes:
        extremes: float32 (2, neurons), the least and greatest value so far; without rows where not asked for.
        positive: int64 (labels, neurons), how often a neuron is above 0; likewise.
    """

    def __init__(
        self, size: int, n_labels: int, rows: int, needs: Collection[str], histogram: Histogram | None
    ) -> None:
        limits = [[np.inf], [-np.inf]] if "range" in needs else np.empty((0, 1))
        self.extremes: Float32[np.ndarray, "_ neurons"] = np.tile(np.float32(limits), size)
        self.positive = np.zeros((n_labels if "positive" in needs else 0, size), dtype=np.int64)
        self._words = np.zeros(n_labels, dtype=np.int64)
        self._mean, self._squares = np.zeros((2, n_labels, size))
        self._room = np.empty((3, n_labels, size))
        self._histogram, self._held = histogram, 0
        self._scale, self._waiting = np.empty((0, size), np.float32), np.empty((0, 0, TILE), np.uint8)
        self._codes = np.empty(max(rows, min(WAITING_WORDS, WAITING_BYTES // size)), dtype=np.int64)
        if histogram is not None:
            self._scale = np.stack([histogram.cells.middle, histogram.cells.unit])
            self._waiting = np.empty((-(-size // TILE), len(self._codes), TILE), np.uint8)

    @property
    def spread(self) -> Spread:
        """Of each label."""
        return Spread(self._words[:, None], self._mean, self._squares)

    def take_in(self, block: Float32[np.ndarray, "words neurons"], codes: Int64[np.ndarray, " words"]) -> bool:
        """Take in a block and its labels; False where a value is not finite."""
        if self._held + len(block) > len(self._codes):
            self.finish()
        start, self._held = self._held, self._held + len(block)
        self._codes[start : self._held] = codes
        return take_in(
            block,
            codes,
            (self._words, self._mean, self._squares),
            self._room,
            self.extremes,
            self.positive,
            self._scale,
            self._waiting,
            start,
        )

    def finish(self) -> None:
        """Count the cells that wait."""
        if self._histogram is not None:
            tally(self._histogram.table, self._waiting, self._codes[: self._held])
        self._held = 0
