"""Mutual information between a label and the value of one neuron, cut into bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from onegrain.errors import ParameterError
from onegrain.rankings.univariate.counts import Counts
from onegrain.rankings.univariate.kernels import CELLS
from onegrain.rankings.univariate.scoring import Scores, counting_method, strips

__all__ = ["METHOD", "MutualInformationOptions", "mutual_information"]


@dataclass(frozen=True)
class MutualInformationOptions:
    """Parameters of the ranking by mutual information.

    Attributes:
        bins: into how many bins of equal frequency a neuron's values are cut.
    """

    bins: int = 16

    def __post_init__(self) -> None:
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

    def score(table: np.ndarray, part: slice) -> Scores:
        return Scores(*_information(_binned(table, options.bins)))

    return strips(counts, score)


def _binned(
    table: Float64[np.ndarray, "neurons labels cells"], bins: int
) -> Float64[np.ndarray, "neurons labels bins"]:
    """Cells put together to bins of equal frequency."""
    totals = table.sum(axis=1)
    before = np.cumsum(totals, axis=1) - totals
    bin_of: Int64[np.ndarray, "neurons cells"] = np.zeros(totals.shape, dtype=np.int64)
    words = totals[0].sum()
    for k in range(1, bins):
        bin_of += before * bins >= k * words
    made = np.zeros((*table.shape[:2], bins))
    for at, cells in enumerate(bin_of):
        starts = np.flatnonzero(np.diff(cells, prepend=-1))
        made[at][:, cells[starts]] = np.add.reduceat(table[at], starts, axis=1)
    return made


def _information(
    cells: Float64[np.ndarray, "neurons labels bins"],
) -> tuple[Float64[np.ndarray, " neurons"], Float64[np.ndarray, "labels neurons"]]:
    """Mutual information (nats) of every neuron with the label, and with each label against the rest."""
    in_bin, total = cells.sum(axis=1, keepdims=True), cells[0].sum()
    with_label = cells.sum(axis=2, keepdims=True)
    own = _terms(cells, with_label, in_bin, total)
    rest = _terms(in_bin - cells, total - with_label, in_bin, total)
    return np.maximum(own.sum(axis=(1, 2)), 0.0), np.maximum((own + rest).sum(axis=2), 0.0).T


def _terms(cells: np.ndarray, with_label: np.ndarray, in_bin: np.ndarray, total: float) -> np.ndarray:
    """p(l, b) log(p(l, b) / (p(l) p(b))) from counts; 0 where no word is."""
    expected = with_label * in_bin / total
    ratio = np.divide(cells, expected, out=np.ones_like(cells), where=cells > 0)
    return cells / total * np.log(ratio)


METHOD = counting_method(
    "mutual-information",
    "mutual information of the label and the neuron's value in bins, in nats",
    mutual_information,
    options=MutualInformationOptions,
    needs=["histogram"],
)
