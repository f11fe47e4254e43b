"""Ranking by IoU: the overlap of a label's words with the words at which a neuron is highest [Mu20]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from onegrain.core.compiled import compiled
from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.rankings.labels import MIN_COUNT
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores, strips

__all__ = ["METHOD", "IouOptions", "iou"]


@dataclass(frozen=True)
class IouOptions:
    """Parameters of the ranking by IoU.

    Attributes:
        quantiles: thresholds, each the share of the words below it; one or more numbers between 0 and 1.
        min_count: a label with fewer words is left out.
    """

    quantiles: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_count("min_count", self.min_count)
        values = self.quantiles if isinstance(self.quantiles, Iterable) else (self.quantiles,)
        try:
            quantiles = tuple(float(value) for value in values)
        except (TypeError, ValueError):
            quantiles = ()
        if not quantiles or not all(0.0 < quantile < 1.0 for quantile in quantiles):
            raise ParameterError(
                f"quantiles must be one or more numbers between 0 and 1, got {self.quantiles!r}"
            )
        object.__setattr__(self, "quantiles", quantiles)


def iou(counts: Counts, options: IouOptions) -> Scores:
    """Score neurons by the IoU |M and W_l| / |M or W_l| of a label [Mu20].

    W_l are the words of label l. M are the words in the fewest highest cells (cells.py) that hold at least a
    share 1 - q of the words, for a quantile q; with the other sign, in the fewest lowest cells. The best
    threshold and sign count; ``details["quantile"]`` and ``details["sign"]`` (labels, neurons) record them.
    [Mu20] uses q = 0.995 in vision; in language, M is where the neuron is active. The overall score is the best
    label's.
    """
    quantiles = np.array(options.quantiles)

    def score(table: np.ndarray, part: slice) -> Scores:
        overlap, sign, quantile = _best(table, quantiles)
        return Scores(overlap.max(axis=0), overlap, {"sign": sign, "quantile": quantile})

    return strips(counts, score)


@compiled
def _best(
    table: Int32[np.ndarray, "neurons labels cells"], quantiles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each label's best IoU with its sign (int8) and its quantile; all (labels, neurons)."""
    neurons, labels, _ = table.shape
    best, quantile = np.zeros((labels, neurons)), np.zeros((labels, neurons))
    sign = np.zeros((labels, neurons), dtype=np.int8)
    for n in range(neurons):
        for label in range(labels):
            best[label, n] = -1.0
        for direction in (1, -1):
            reached, masked = _reached(table[n][:, ::-direction])
            for q in range(len(quantiles)):
                last, least = 0, (1.0 - quantiles[q]) * masked[-1] * (1.0 - 1e-12)
                while masked[last] < least:
                    last += 1
                for label in range(labels):
                    shared = reached[label, last]
                    overlap = shared / (reached[label, -1] + masked[last] - shared)
                    if overlap > best[label, n]:
                        best[label, n], sign[label, n], quantile[label, n] = overlap, direction, quantiles[q]
    return best, sign, quantile


@compiled
def _reached(table: Int32[np.ndarray, "labels cells"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the words up to each cell, int64: (labels, cells) of each label, and (cells,) of all labels."""
    labels, cells = table.shape
    of_label, overall = np.zeros((labels, cells), dtype=np.int64), np.zeros(cells, dtype=np.int64)
    for label in range(labels):
        reached = 0
        for cell in range(cells):
            reached += table[label, cell]
            of_label[label, cell] = reached
            overall[cell] += reached
    return of_label, overall


METHOD = counting_method(
    "iou",
    "overlap of a label's words with those at which the neuron is highest or lowest [Mu20]",
    iou,
    options=IouOptions,
    needs=["histogram"],
)
