"""A stripe of neurons, and the running counts of their values, block by block."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from onegrain.rankings.univariate.counting.cells import Cells
from onegrain.rankings.univariate.counting.kernels import accumulate_block, count_waiting

__all__ = ["Histogram", "Stripe"]

TILE = 128
"""Number of neurons whose cells are counted together; their histograms of one label take 128 KiB."""
WAITING_WORDS, WAITING_BYTES = 2048, 2**25
"""Most words per label whose cells (uint8) wait to be counted together, and most bytes that they take."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """The histogram of a stripe: the number of words with a value in each cell.

    Attributes:
        cells: the cells of the neurons.
        table: int32 (neurons, labels, cells); zeros at first, the counts once the stripe is finished.
    """

    cells: Cells
    table: Int32[np.ndarray, "neurons labels cells"]


class Stripe:
    """A range of neurons with their running counts.

    Args:
        size: number of neurons.
        n_labels: number of labels.
        needs: statistics to count besides means and deviations.
        histogram: the cells and the table to fill, or None if no histogram is needed.

    Attributes:
        extremes: float32 (2, neurons), the least and greatest value so far.
        positive: int64 (labels, neurons), number of words at which a neuron is above 0; without rows if not
            needed.
        mean: float64 (labels, neurons), over the words so far.
        squares: float64 (labels, neurons), sums of squared deviations from the mean.
        cells: the cells of the histogram, or None without one.
    """

    def __init__(self, size: int, n_labels: int, needs: Collection[str], histogram: Histogram | None) -> None:
        self.extremes = np.empty((2, size), dtype=np.float32)
        self.extremes[:1], self.extremes[1:] = np.inf, -np.inf
        self.positive = np.zeros((n_labels if "positive" in needs else 0, size), dtype=np.int64)
        self.mean, self.squares = np.zeros((2, n_labels, size))
        self.cells = None if histogram is None else histogram.cells
        self._words = np.zeros(n_labels, dtype=np.int64)
        self._scratch = np.empty((3, n_labels, size))
        self._histogram = _histogram(size, n_labels, histogram)

    def accumulate(
        self, block: Float32[np.ndarray, "words neurons"], codes: Int64[np.ndarray, " words"]
    ) -> bool:
        """Add a block and the labels of its words; return False if a value is not finite."""
        return accumulate_block(
            block,
            codes,
            (self._words, self.mean, self.squares),
            self._scratch,
            self.extremes,
            self.positive,
            self._histogram,
        )

    def finish(self) -> None:
        """Count the cells that still wait."""
        count_waiting(*self._histogram[1:])


def _histogram(
    size: int, n_labels: int, histogram: Histogram | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the arrays of a histogram as ``accumulate_block`` takes them."""
    held = np.zeros(n_labels, dtype=np.int64)
    if histogram is None:
        scale, waiting = np.empty((0, size), np.float32), np.empty((0, n_labels, 0, TILE), np.uint8)
        return scale, waiting, held, np.empty((0, n_labels, 0), np.int32)
    room = max(1, min(WAITING_WORDS, WAITING_BYTES // (n_labels * size)))
    waiting = np.empty((-(-size // TILE), n_labels, room, TILE), np.uint8)
    return (
        np.stack([histogram.cells.middle, histogram.cells.unit, *histogram.cells.factors]),
        waiting,
        held,
        histogram.table,
    )
