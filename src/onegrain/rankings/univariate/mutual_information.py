"""Mutual information between a label and the value of one neuron, cut into bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from onegrain.errors import ParameterError
from onegrain.rankings.labels import MIN_COUNT, require_min_count
from onegrain.rankings.univariate.counting.compiled import compiled
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.kernels import CELLS
from onegrain.rankings.univariate.counting.scoring import Scores, counting_method, strips

__all__ = ["METHOD", "MutualInformationOptions", "mutual_information"]


@dataclass(frozen=True)
class MutualInformationOptions:
    """Parameters of the ranking by mutual information.

    Attributes:
        bins: into how many bins of equal frequency a neuron's values are cut.
        min_count: a label with fewer words is left out.
    """

    bins: int = 16
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_min_count(self.min_count)
        whole = isinstance(self.bins, int) and not isinstance(self.bins, bool)
        if not whole or not 2 <= self.bins <= CELLS:
            raise ParameterError(f"bins must be a whole number from 2 to {CELLS}, got {self.bins!r}")


def mutual_information(counts: Counts, options: MutualInformationOptions) -> Scores:
    """The mutual information (nats) between the label of a word and the bin of a neuron's value.

    The plug-in estimate: sum_lb p(l, b) log(p(l, b) / (p(l) p(b))) with p the shares of the words. It is too
    high by about (L - 1) (bins - 1) / (2 N) nats for L labels and N words [Miller 1955]. A label's own score is
    the mutual information with whether a word has that one label.

    Bins are made of neighbouring cells (cells.py), to hold equally many words as nearly as whole cells allow: a
    new one begins behind each cell in which the share of words reaches k / bins.
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
    """Mutual information (nats) of every neuron with the label, and with each label against the rest.

    float64 (neurons,) and (labels, neurons).
    """
    neurons, labels, _ = table.shape
    everything, alone, total = np.zeros(neurons), np.zeros((labels, neurons)), with_label.sum()
    for n in range(neurons):
        words, in_bin = _binned(table[n], seen[n], bins)
        for label in range(labels):
            own = rest = 0.0
            for at in range(bins):
                own += _term(words[label, at], with_label[label], in_bin[at], total)
                rest += _term(in_bin[at] - words[label, at], total - with_label[label], in_bin[at], total)
            everything[n] += own
            alone[label, n] = max(own + rest, 0.0)
        everything[n] = max(everything[n], 0.0)
    return everything, alone


@compiled
def _binned(
    table: Int32[np.ndarray, "labels cells"], seen: Int64[np.ndarray, " cells"], bins: int
) -> tuple[Int64[np.ndarray, "labels bins"], Int64[np.ndarray, " bins"]]:
    """The words of each label in each bin, and of all."""
    words, in_bin = np.zeros((len(table), bins), dtype=np.int64), np.zeros(bins, dtype=np.int64)
    before, total = 0, seen.sum()
    for cell in range(len(seen)):
        at = min(before * bins // total, bins - 1)
        before += seen[cell]
        in_bin[at] += seen[cell]
        for label in range(len(table)):
            words[label, at] += table[label, cell]
    return words, in_bin


@compiled
def _term(words: int, with_label: int, in_bin: int, total: int) -> float:
    """p(l, b) log(p(l, b) / (p(l) p(b))) from counts; 0 where no word is."""
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
