"""Rankings by average precision and AUROC: does a neuron's value alone put a label's words before all others?

Both scores are computed from histograms, where values in one cell are tied, or from sorted values (``exact``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from onegrain.core.compiled import compiled
from onegrain.core.options import require_count, require_flag
from onegrain.rankings.labels import MIN_COUNT
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores, Sorted, strips

__all__ = ["AUROC", "AVERAGE_PRECISION", "DiscriminationOptions", "auroc", "average_precision"]

Table = Int32[np.ndarray, "neurons labels cells"]
Seen = Int64[np.ndarray, "neurons cells"]


@dataclass(frozen=True)
class DiscriminationOptions:
    """Parameters of average precision and AUROC.

    Attributes:
        exact: sort the values instead of counting them in 256 cells; several times slower, with memory that
            grows with the number of words.
        min_count: a label with fewer words is left out.
    """

    exact: bool = False
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_count("min_count", self.min_count)
        require_flag("exact", self.exact)


def average_precision(counts: Counts, options: DiscriminationOptions) -> Scores:
    """Score neurons by the average precision of their value for one label against the rest.

    AP = sum_n (R_n - R_(n-1)) P_n over thresholds n, as in scikit-learn's ``average_precision_score``; values
    in one cell (cells.py) are tied. The better sign counts; ``details["sign"]`` (labels, neurons) is 1 where
    high values mean the label, -1 where low values do. The AP of chance is the share pi_l of the label's words,
    so the overall score is the best label's (AP - pi_l) / (1 - pi_l).
    """

    seen = counts.seen

    def score(table: Table, part: slice) -> Scores:
        return _best_precision(*_precisions(table, seen[part]), counts.words)

    return strips(counts, score)


def auroc(counts: Counts, options: DiscriminationOptions) -> Scores:
    """Score neurons by the area under the ROC curve of their value for one label against the rest.

    It is the share of pairs in which a word of the label has a higher value than another word, with ties
    (values in one cell, cells.py) counting one half: Mann and Whitney's U / (n_l n_rest). The better sign
    counts, so 0.5 is both chance and the minimum; ``details["sign"]`` (labels, neurons) is 1 where high values
    mean the label, -1 where low values do. The overall score is the best label's.
    """

    seen = counts.seen

    def score(table: Table, part: slice) -> Scores:
        return _best_area(_areas(table, seen[part]))

    return strips(counts, score)


def exact_precision(values: Sorted, options: DiscriminationOptions) -> Scores:
    """Compute :func:`average_precision` of one neuron from all its values."""
    high, low = (
        _precision_in_order(codes, last, values.words)
        for codes, last in (
            (values.codes[::-1], len(values.codes) - 1 - values.first[::-1]),
            (values.codes, values.last),
        )
    )
    return _best_precision(high[:, None], low[:, None], values.words)


def exact_area(values: Sorted, options: DiscriminationOptions) -> Scores:
    """Compute :func:`auroc` of one neuron from all its values: Mann and Whitney's U by middle ranks."""
    ranks = (values.first + values.last) / 2.0 + 1.0
    rank_sums = np.bincount(values.codes, weights=ranks, minlength=len(values.words))
    words = values.words.astype(np.float64)
    above = rank_sums - words * (words + 1.0) / 2.0
    return _best_area((above / (words * (words.sum() - words)))[:, None])


def _precision_in_order(
    codes: np.ndarray, last: np.ndarray, words: np.ndarray
) -> Float64[np.ndarray, " labels"]:
    """Return the average precision of each label for words in order, best first.

    Args:
        codes: int64 (words,), the label of each word.
        last: int64 (words,), the position of the last word tied with each word.
        words: int64 (labels,), number of words of each label.
    """
    by_label = np.argsort(codes, kind="stable")
    label, end = codes[by_label], last[by_label]
    run_ends = np.flatnonzero(np.append((np.diff(label) != 0) | (np.diff(end) != 0), True))
    reached = np.repeat(run_ends, np.diff(run_ends, prepend=-1)) + 1 - (np.cumsum(words) - words)[label]
    return np.bincount(label, weights=reached / (end + 1.0), minlength=len(words)) / words


@compiled
def _precisions(table: Table, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Return the average precision (labels, neurons) with the highest cells first, and with the lowest."""
    neurons, labels, _ = table.shape
    high, low = np.empty((labels, neurons)), np.empty((labels, neurons))
    for n in range(neurons):
        above, below = _shares(seen[n, ::-1]), _shares(seen[n])
        for label in range(labels):
            label_words = table[n, label]
            high[label, n], low[label, n] = _precision(label_words[::-1], above), _precision(label_words, below)
    return high, low


@compiled
def _shares(seen: Int64[np.ndarray, " cells"]) -> Float64[np.ndarray, " cells"]:
    """Return one over the number of words up to each cell; 0 where there are none."""
    shares, reached = np.zeros(len(seen)), 0
    for cell in range(len(seen)):
        reached += seen[cell]
        shares[cell] = 1.0 / reached if reached > 0 else 0.0
    return shares


@compiled
def _precision(label_words: Int32[np.ndarray, " cells"], share: Float64[np.ndarray, " cells"]) -> float:
    """Return the mean precision at a label's words: the label's share of the words up to there."""
    reached, total = 0, 0.0
    for cell in range(len(label_words)):
        reached += label_words[cell]
        total += np.float64(label_words[cell]) * np.float64(reached) * share[cell]
    return total / reached


@compiled
def _areas(table: Table, seen: Seen) -> Float64[np.ndarray, "labels neurons"]:
    """Return the area under the ROC curve where high values mean the label."""
    neurons, labels, cells = table.shape
    areas = np.empty((labels, neurons))
    for n in range(neurons):
        for label in range(labels):
            label_words = table[n, label]
            words, below, halves = 0, 0, 0  # halves of pairs are integers, so nothing is rounded
            for cell in range(cells):
                rest = seen[n, cell] - label_words[cell]
                halves += label_words[cell] * (2 * below + rest)
                below += rest
                words += label_words[cell]
            areas[label, n] = halves / (2.0 * words * below)
    return areas


def _best_precision(high: np.ndarray, low: np.ndarray, words: np.ndarray) -> Scores:
    share = (words / words.sum())[:, None]
    precision, sign = _better(high, low)
    return Scores(((precision - share) / (1.0 - share)).max(axis=0), precision, {"sign": sign})


def _best_area(high: np.ndarray) -> Scores:
    area, sign = _better(high, 1.0 - high)
    return Scores(area.max(axis=0), area, {"sign": sign})


def _better(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the larger of both, and its sign: -1 where ``low`` is larger, else 1."""
    return np.maximum(high, low), np.where(low > high, -1, 1).astype(np.int8)


AVERAGE_PRECISION = counting_method(
    "average-precision",
    "average precision of the value for one label against the rest, the better sign's",
    average_precision,
    options=DiscriminationOptions,
    needs=["histogram"],
    exact=exact_precision,
)
AUROC = counting_method(
    "auroc",
    "area under the ROC curve of the value for one label against the rest, the better sign's",
    auroc,
    options=DiscriminationOptions,
    needs=["histogram"],
    exact=exact_area,
)
