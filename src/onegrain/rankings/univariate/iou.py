"""IoU: how far the words at which a neuron is highest are the words of one label [Mu20]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32

from onegrain.errors import ParameterError
from onegrain.rankings.labels import MIN_COUNT, require_min_count
from onegrain.rankings.univariate.counting.compiled import compiled
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.scoring import Scores, counting_method, strips

__all__ = ["METHOD", "IouOptions", "iou"]


@dataclass(frozen=True)
class IouOptions:
    """Parameters of the ranking by IoU.

    Attributes:
        quantiles: the thresholds, as shares of the words below them; one or more between 0 and 1.
        min_count: a label with fewer words is left out.
    """

    quantiles: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_min_count(self.min_count)
        given = self.quantiles if isinstance(self.quantiles, Iterable) else (self.quantiles,)
        try:
            found = tuple(float(one) for one in given)
        except (TypeError, ValueError):
            found = ()
        if not found or not all(0.0 < one < 1.0 for one in found):
            raise ParameterError(
                f"quantiles must be one or more numbers between 0 and 1, got {self.quantiles!r}"
            )
        object.__setattr__(self, "quantiles", found)


def iou(counts: Counts, options: IouOptions) -> Scores:
    """|M and W_l| / |M or W_l| [Mu20]: W_l the words of label l, M those at which the neuron is in its top.

    M is the smallest number of highest cells (cells.py) that hold at least a share 1 - q of the words, for each
    quantile q; or of lowest ones, for the other sign. The best of all thresholds and signs counts;
    ``details["sign"]`` and ``details["quantile"]`` (labels, neurons) say which it was. The overall score is the
    best label's. [Mu20] takes q = 0.995 in vision, and whether the neuron is active in language.
    """
    quantiles = np.array(options.quantiles)

    def score(table: np.ndarray, part: slice) -> Scores:
        found, sign, quantile = _best(table, quantiles)
        return Scores(found.max(axis=0), found, {"sign": sign, "quantile": quantile})

    return strips(counts, score)


@compiled
def _best(
    table: Int32[np.ndarray, "neurons labels cells"], quantiles: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best IoU of every label, (labels, neurons), the sign (int8) and the quantile that gave it."""
    neurons, labels, _ = table.shape
    found, quantile = np.zeros((labels, neurons)), np.zeros((labels, neurons))
    sign = np.zeros((labels, neurons), dtype=np.int8)
    for n in range(neurons):
        for label in range(labels):
            found[label, n] = -1.0
        for direction in (1, -1):
            reached, masked = _reached(table[n][:, ::-direction])
            for at in range(len(quantiles)):
                last, least = 0, (1.0 - quantiles[at]) * masked[-1] * (1.0 - 1e-12)
                while masked[last] < least:
                    last += 1
                for label in range(labels):
                    both = reached[label, last]
                    overlap = both / (reached[label, -1] + masked[last] - both)
                    if overlap > found[label, n]:
                        found[label, n], sign[label, n], quantile[label, n] = overlap, direction, quantiles[at]
    return found, sign, quantile


@compiled
def _reached(table: Int32[np.ndarray, "labels cells"]) -> tuple[np.ndarray, np.ndarray]:
    """The words up to each cell, int64: (labels, cells) of each label, and (cells,) of all."""
    labels, cells = table.shape
    own, everything = np.zeros((labels, cells), dtype=np.int64), np.zeros(cells, dtype=np.int64)
    for label in range(labels):
        reached = 0
        for cell in range(cells):
            reached += table[label, cell]
            own[label, cell] = reached
            everything[cell] += reached
    return own, everything


METHOD = counting_method(
    "iou",
    "overlap of a label's words with those at which the neuron is highest or lowest [Mu20]",
    iou,
    options=IouOptions,
    needs=["histogram"],
)
