"""Average precision and AUROC: does a neuron's value alone put a label's words before all others?

Each is written twice: from histograms, where values in one cell are tied, and from sorted values (``exact``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from onegrain.errors import ParameterError
from onegrain.rankings.labels import MIN_COUNT, require_min_count
from onegrain.rankings.univariate.counting.compiled import compiled
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.scoring import Scores, Sorted, counting_method, strips

__all__ = ["AUROC", "AVERAGE_PRECISION", "DiscriminationOptions", "auroc", "average_precision"]

Table = Int32[np.ndarray, "neurons labels cells"]
Seen = Int64[np.ndarray, "neurons cells"]


@dataclass(frozen=True)
class DiscriminationOptions:
    """Parameters of average precision and AUROC.

    Attributes:
        exact: sort the values instead of counting them in 256 cells: several times slower, and in memory that
            grows with the words of a few neurons.
        min_count: a label with fewer words is left out.
    """

    exact: bool = False
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_min_count(self.min_count)
        if not isinstance(self.exact, bool):
            raise ParameterError(f"exact must be true or false, got {self.exact!r}")


def average_precision(counts: Counts, options: DiscriminationOptions) -> Scores:
    """Average precision of the neuron's value as a score for one label against the rest; the better sign's.

    AP = sum_n (R_n - R_(n-1)) P_n over thresholds n, as in scikit-learn's ``average_precision_score``; values
    in one cell (cells.py) are tied. ``details["sign"]`` (labels, neurons) says which sign won: 1 where high
    values mean the label, -1 where low ones do. Chance has the share pi_l of the label's words, so the overall
    score is the best label's (AP - pi_l) / (1 - pi_l).
    """

    seen = counts.seen

    def score(table: Table, part: slice) -> Scores:
        return _best_precision(*_precisions(table, seen[part]), counts.words)

    return strips(counts, score)


def auroc(counts: Counts, options: DiscriminationOptions) -> Scores:
    """Area under the ROC curve of the neuron's value for one label against the rest; the better sign's.

    How often a word of the label has a higher value than another word, ties (values in one cell, cells.py)
    counting one half: Mann and Whitney's U / (n_l n_rest). 0.5 is chance and the least that the better sign can
    have; ``details["sign"]`` (labels, neurons) says which one it is. The overall score is the best label's.
    """

    seen = counts.seen

    def score(table: Table, part: slice) -> Scores:
        return _best_area(_areas(table, seen[part]))

    return strips(counts, score)


def exact_precision(values: Sorted, options: DiscriminationOptions) -> Scores:
    """:func:`average_precision` of one neuron from all its values."""
    high, low = (
        _precision_in_order(codes, last, values.words)
        for codes, last in (
            (values.codes[::-1], len(values.codes) - 1 - values.first[::-1]),
            (values.codes, values.last),
        )
    )
    return _best_precision(high[:, None], low[:, None], values.words)


def exact_area(values: Sorted, options: DiscriminationOptions) -> Scores:
    """:func:`auroc` of one neuron from all its values: Mann and Whitney's U by middle ranks."""
    ranks = (values.first + values.last) / 2.0 + 1.0
    own = np.bincount(values.codes, weights=ranks, minlength=len(values.words))
    words = values.words.astype(np.float64)
    above = own - words * (words + 1.0) / 2.0
    return _best_area((above / (words * (words.sum() - words)))[:, None])


def _precision_in_order(
    codes: np.ndarray, last: np.ndarray, words: np.ndarray
) -> Float64[np.ndarray, " labels"]:
    """Average precision of each label for words in order, best first.

    Args:
        codes: int64 (words,), their labels.
        last: int64 (words,), the place of the last word that is tied with each.
        words: int64 (labels,), words of each label.
    """
    by_label = np.argsort(codes, kind="stable")
    label, end = codes[by_label], last[by_label]
    run_ends = np.flatnonzero(np.append((np.diff(label) != 0) | (np.diff(end) != 0), True))
    reached = np.repeat(run_ends, np.diff(run_ends, prepend=-1)) + 1 - (np.cumsum(words) - words)[label]
    return np.bincount(label, weights=reached / (end + 1.0), minlength=len(words)) / words


@compiled
def _precisions(table: Table, seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Average precision, float64 (labels, neurons), where the last cells come first, and where the first do."""
    neurons, labels, _ = table.shape
    high, low = np.empty((labels, neurons)), np.empty((labels, neurons))
    for n in range(neurons):
        above, below = _shares(seen[n, ::-1]), _shares(seen[n])
        for label in range(labels):
            own = table[n, label]
            high[label, n], low[label, n] = _precision(own[::-1], above), _precision(own, below)
    return high, low


@compiled
def _shares(seen: Int64[np.ndarray, " cells"]) -> Float64[np.ndarray, " cells"]:
    """What one word is of all seen up to each cell; 0 where there are none."""
    found, reached = np.zeros(len(seen)), 0
    for cell in range(len(seen)):
        reached += seen[cell]
        found[cell] = 1.0 / reached if reached > 0 else 0.0
    return found


@compiled
def _precision(own: Int32[np.ndarray, " cells"], share: Float64[np.ndarray, " cells"]) -> float:
    """The mean over a label's words of the precision there: of the words seen, how many are the label's."""
    reached, found = 0, 0.0
    for cell in range(len(own)):
        reached += own[cell]
        found += np.float64(own[cell]) * np.float64(reached) * share[cell]
    return found / reached


@compiled
def _areas(table: Table, seen: Seen) -> Float64[np.ndarray, "labels neurons"]:
    """The area under the ROC curve where high values mean the label."""
    neurons, labels, cells = table.shape
    found = np.empty((labels, neurons))
    for n in range(neurons):
        for label in range(labels):
            own = table[n, label]
            words, below, halves = 0, 0, 0  # halves of pairs: whole numbers, so that nothing is rounded
            for cell in range(cells):
                rest = seen[n, cell] - own[cell]
                halves += own[cell] * (2 * below + rest)
                below += rest
                words += own[cell]
            found[label, n] = halves / (2.0 * words * below)
    return found


def _best_precision(high: np.ndarray, low: np.ndarray, words: np.ndarray) -> Scores:
    share = (words / words.sum())[:, None]
    found, sign = _better(high, low)
    return Scores(((found - share) / (1.0 - share)).max(axis=0), found, {"sign": sign})


def _best_area(high: np.ndarray) -> Scores:
    found, sign = _better(high, 1.0 - high)
    return Scores(found.max(axis=0), found, {"sign": sign})


def _better(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The larger of both, and 1 or -1 for which it is; 1 where they are equal."""
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
