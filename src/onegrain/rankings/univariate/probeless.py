"""Probeless: how far apart the labels' means of a neuron are [Antverg22]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.errors import ParameterError
from onegrain.rankings.labels import MIN_COUNT, require_min_count
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.scoring import Scores, counting_method

__all__ = ["METHOD", "ProbelessOptions", "probeless"]


@dataclass(frozen=True)
class ProbelessOptions:
    """Parameters of Probeless.

    Attributes:
        standardize: measure means in standard deviations of the neuron. Off as in [Antverg22], where a neuron
            whose values are large has large differences.
        min_count: a label with fewer words is left out.
    """

    standardize: bool = False
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_min_count(self.min_count)
        if not isinstance(self.standardize, bool):
            raise ParameterError(f"standardize must be true or false, got {self.standardize!r}")


def probeless(counts: Counts, options: ProbelessOptions) -> Scores:
    """sum over pairs of labels of \\|mu_a - mu_b\\|; a label's own score is the sum over all other labels.

    mu_l is the neuron's mean over the words of label l, so a rare label counts as much as a frequent one;
    which is why labels of fewer than ``min_count`` words are left out.
    """
    means = np.stack([spread.mean for spread in counts.spreads])
    if options.standardize:
        everything = counts.everything()
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (means - everything.mean) / np.sqrt(everything.squares / everything.words)
    apart = np.stack([np.abs(means - own).sum(axis=0) for own in means])
    return Scores(apart.sum(axis=0) / 2.0, apart)


METHOD = counting_method(
    "probeless",
    "distances between the labels' means, summed over pairs of labels [Antverg22]",
    probeless,
    options=ProbelessOptions,
)
