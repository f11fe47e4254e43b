"""Probeless: rank a neuron by the distances between its means under the labels [Antverg22]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.options import require_count, require_flag
from onegrain.rankings.labels import MIN_COUNT
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores

__all__ = ["METHOD", "ProbelessOptions", "probeless"]


@dataclass(frozen=True)
class ProbelessOptions:
    """Parameters of Probeless.

    Attributes:
        standardize: measure means in standard deviations of the neuron. Off by default, as in [Antverg22], so a
            neuron with large values has large differences.
        min_count: a label with fewer words is left out.
    """

    standardize: bool = False
    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_count("min_count", self.min_count)
        require_flag("standardize", self.standardize)


def probeless(counts: Counts, options: ProbelessOptions) -> Scores:
    """Score neurons by \\|mu_a - mu_b\\| summed over pairs of labels.

    mu_l is the neuron's mean over the words of label l. The score of one label is its sum over all other
    labels. A rare label counts as much as a frequent one, so labels with fewer than ``min_count`` words are
    left out.
    """
    means = np.stack([spread.mean for spread in counts.spreads])
    if options.standardize:
        all_words = counts.everything()
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (means - all_words.mean) / np.sqrt(all_words.squares / all_words.words)
    distances = np.stack([np.abs(means - label_mean).sum(axis=0) for label_mean in means])
    return Scores(distances.sum(axis=0) / 2.0, distances)


METHOD = counting_method(
    "probeless",
    "distances between the labels' means, summed over pairs of labels [Antverg22]",
    probeless,
    options=ProbelessOptions,
)
