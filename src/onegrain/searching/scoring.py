"""Score neurons for a concept from rank sums and counts, which are integers, so that no rounding adds up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int8, Int64
from scipy.special import ndtr

__all__ = ["QUANTILES", "Areas", "Overlaps", "areas", "least_words", "overlaps"]

QUANTILES = (0.9, 0.98, 0.995)
"""The quantiles at which the words with the highest and lowest values are compared with a concept."""


def least_words(words: int, quantile: float) -> int:
    """Return the smallest number of words that is at least a share ``1 - quantile`` of all words.

    >>> least_words(1000, 0.995)
    5
    """
    return max(1, int(np.ceil((1.0 - quantile) * words * (1.0 - 1e-12))))


@dataclass(frozen=True, eq=False)
class Areas:
    """Areas under the ROC curve of some neurons for one concept.

    Attributes:
        auroc: (neurons,), with the better sign; NaN for a constant neuron.
        sign: (neurons,), 1 if high values mean the concept, -1 if low values do, 0 for a constant neuron.
        p: (neurons,), two-sided p-values; NaN for a constant neuron.
    """

    auroc: Float64[np.ndarray, " neurons"]
    sign: Int8[np.ndarray, " neurons"]
    p: Float64[np.ndarray, " neurons"]


def areas(
    ranks: Int64[np.ndarray, " neurons"], ties: Float64[np.ndarray, " neurons"], inside: int, outside: int
) -> Areas:
    """Return AUROC and p-value from rank sums.

    Mann and Whitney's (1947) U of the concept's words is the rank sum less its smallest value, and the AUROC is
    U / (inside * outside). Without an effect, U has the mean inside * outside / 2 and, over n words in groups
    of t equal values, the variance inside * outside / 12 * (n + 1 - sum(t^3 - t) / (n (n - 1))) [Lehmann 1975];
    p is that of a normal distribution, with 1/2 subtracted for continuity. Words are taken as independent,
    which words of one sentence are not quite.

    Args:
        ranks: sums over the concept's words of 2 r - (n + 1), with r the middle rank from 1 among all n words.
        ties: sum(t^3 - t) over the groups of equal values.
        inside: number of words of the concept.
        outside: number of other words.
    """
    words = inside + outside
    pairs = float(inside) * outside
    apart = np.asarray(ranks, dtype=np.float64) / 2.0  # U less its mean
    variance = pairs / 12.0 * (words + 1.0 - np.asarray(ties) / (float(words) * (words - 1.0)))
    constant = variance <= pairs / 12.0 * 1e-9
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.maximum(np.abs(apart) - 0.5, 0.0) / np.sqrt(variance)
    p = np.minimum(2.0 * ndtr(-z), 1.0)
    sign = np.where(apart < 0, -1, 1)
    return Areas(
        auroc=np.where(constant, np.nan, 0.5 + np.abs(apart) / pairs),
        sign=np.where(constant, 0, sign).astype(np.int8),
        p=np.where(constant, np.nan, p),
    )


@dataclass(frozen=True, eq=False)
class Overlaps:
    """The best overlap of a concept's words with the words at which a neuron is highest or lowest.

    Attributes:
        iou: (neurons,), |M and C| / |M or C| [Mu20] at the best quantile, with the better sign.
        sign: (neurons,), 1 if M holds the highest values, -1 if it holds the lowest.
        quantile: (neurons,), the quantile of that M.
    """

    iou: Float64[np.ndarray, " neurons"]
    sign: Int8[np.ndarray, " neurons"]
    quantile: Float64[np.ndarray, " neurons"]


def overlaps(
    shared: Int64[np.ndarray, "signs quantiles neurons"],
    extreme: Int64[np.ndarray, "signs quantiles neurons"],
    inside: int,
    quantiles: tuple[float, ...] = QUANTILES,
) -> Overlaps:
    """Return the best IoU of each neuron; of equal ones the first quantile's, highest values before lowest.

    Args:
        shared: number of the concept's words among the words with the highest values (first row) and with the
            lowest, at each quantile.
        extreme: number of all words there.
        inside: number of words of the concept.
        quantiles: the quantiles.
    """
    iou = shared / (inside + extreme - shared)
    flat = iou.reshape(-1, iou.shape[-1])
    best = flat.argmax(axis=0)
    return Overlaps(
        iou=flat.max(axis=0),
        sign=np.where(best < len(quantiles), 1, -1).astype(np.int8),
        quantile=np.array(quantiles)[best % len(quantiles)],
    )
