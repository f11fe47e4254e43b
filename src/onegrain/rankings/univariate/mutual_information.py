"""Ranking by the mutual information between the label and the value of a neuron, cut into bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from onegrain.core.compiled import compiled
from onegrain.core.options import require_count
from onegrain.rankings.labels import MIN_COUNT
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.kernels import CELLS
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores, strips

__all__ = ["METHOD", "MutualInformationOptions", "mutual_information"]


@dataclass(frozen=True)
class MutualInformationOptions:
    """Parameters of the ranking by mutual information.

    Attributes:
        bins: number of bins of equal frequency into which a neuron's values are cut.
        min_count: a label with fewer words is left out.
    """

    bins: int = 16
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_count("min_count", self.min_count)
        require_count("bins", self.bins, 2, CELLS)


def mutual_information(counts: Counts, options: MutualInformationOptions) -> Scores:
    """Score neurons by the mutual information (nats) between the label of a word and the bin of the value.

    The plug-in estimate: sum_lb p(l, b) log(p(l, b) / (p(l) p(b))) with p the shares of the words. It is biased
    upwards by about (L - 1) (bins - 1) / (2 N) nats for L labels and N words [Miller 1955]. The score of one
    label is the mutual information with whether a word has that label.

    A bin is a run of neighbouring cells (cells.py). Bins hold equal numbers of words as nearly as undivided
    cells allow: a new bin begins after each cell in which the cumulative share of words reaches k / bins.
    """

    seen = counts.seen

    def score(table: np.ndarray, part: slice) -> Scores:
        return Scores(*_information(table, seen[part], counts.words, options.bins))

    return strips(counts, score)


@compiled
def _information(
    table: Int32[np.ndarray, "neurons labels cells"],
    seen: Int64[np.ndarray, "neurons cells"],
    with_label: Int64[np.ndarray, " labels"],
    bins: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return each neuron's mutual information (nats) with the label, and with each label against the rest.

    float64 (neurons,) and (labels, neurons).
    """
    neurons, labels, _ = table.shape
    overall, by_label, total = np.zeros(neurons), np.zeros((labels, neurons)), with_label.sum()
    for n in range(neurons):
        words, in_bin = _binned(table[n], seen[n], bins)
        for label in range(labels):
            of_label = of_others = 0.0
            for bin_index in range(bins):
                of_label += _term(words[label, bin_index], with_label[label], in_bin[bin_index], total)
                of_others += _term(
                    in_bin[bin_index] - words[label, bin_index],
                    total - with_label[label],
                    in_bin[bin_index],
                    total,
                )
            overall[n] += of_label
            by_label[label, n] = max(of_label + of_others, 0.0)
        overall[n] = max(overall[n], 0.0)
    return overall, by_label


@compiled
def _binned(
    table: Int32[np.ndarray, "labels cells"], seen: Int64[np.ndarray, " cells"], bins: int
) -> tuple[Int64[np.ndarray, "labels bins"], Int64[np.ndarray, " bins"]]:
    """Return the number of words in each bin: of each label, and of all labels."""
    words, in_bin = np.zeros((len(table), bins), dtype=np.int64), np.zeros(bins, dtype=np.int64)
    before, total = 0, seen.sum()
    for cell in range(len(seen)):
        bin_index = min(before * bins // total, bins - 1)
        before += seen[cell]
        in_bin[bin_index] += seen[cell]
        for label in range(len(table)):
            words[label, bin_index] += table[label, cell]
    return words, in_bin


@compiled
def _term(words: int, with_label: int, in_bin: int, total: int) -> float:
    """Return p(l, b) log(p(l, b) / (p(l) p(b))) from counts of words; 0 where there are no words."""
    if words == 0:
        return 0.0
    share = words / total
    return share * np.log(share * (total / with_label) * (total / in_bin))


METHOD = counting_method(
    "mutual-information",
    "mutual information of the label and the neuron's value in bins, in nats",
    mutual_information,
    options=MutualInformationOptions,
    needs=["histogram"],
)
