"""IoU: how far the words at which a neuron is highest are the words of one label [Mu20]."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from onegrain.errors import ParameterError
from onegrain.rankings.univariate.counts import Counts
from onegrain.rankings.univariate.scoring import Scores, counting_method, strips

__all__ = ["METHOD", "IouOptions", "iou"]


@dataclass(frozen=True)
class IouOptions:
    """Parameters of the ranking by IoU.

    Attributes:
        quantiles: the thresholds, as shares of the words below them; one or more between 0 and 1.
    """

    quantiles: tuple[float, ...] = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)

    def __post_init__(self) -> None:
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

    def score(table: np.ndarray, part: slice) -> Scores:
        found = np.full((table.shape[1], table.shape[0]), -1.0)
        sign, quantile = np.ones(found.shape, dtype=np.int8), np.zeros(found.shape)
        for direction, cells in ((1, table[:, :, ::-1]), (-1, table)):
            for q, values in zip(options.quantiles, _overlaps(cells, options.quantiles), strict=True):
                better = values > found
                found[better], sign[better], quantile[better] = values[better], direction, q
        return Scores(found.max(axis=0), found, {"sign": sign, "quantile": quantile})

    return strips(counts, score)


def _overlaps(
    table: Float64[np.ndarray, "neurons labels cells"], quantiles: tuple[float, ...]
) -> list[Float64[np.ndarray, "labels neurons"]]:
    """IoU of every label for each quantile, where the first cells are the top."""
    reached, words = np.cumsum(table, axis=2), table.sum(axis=2)
    seen = np.cumsum(table.sum(axis=1), axis=1)
    total, neurons = seen[0, -1], np.arange(len(table))
    made = []
    for q in quantiles:
        last = np.argmax(seen >= (1.0 - q) * total * (1.0 - 1e-12), axis=1)
        both, masked = reached[neurons, :, last], seen[neurons, last][:, None]
        made.append((both / (words + masked - both)).T)
    return made


METHOD = counting_method(
    "iou",
    "overlap of a label's words with those at which the neuron is highest or lowest [Mu20]",
    iou,
    options=IouOptions,
    needs=["histogram"],
)
