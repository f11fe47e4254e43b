"""Ranking by selectivity: how much higher a neuron is at a label's words, as a share of its range [Fan23]."""

from __future__ import annotations

import numpy as np

from onegrain.rankings.labels import LabelOptions
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores

__all__ = ["METHOD", "selectivity"]


def selectivity(counts: Counts, options: LabelOptions) -> Scores:
    """Score neurons by \\|mu_plus - mu_minus\\| / (max - min), a label's words against all others.

    The overall score is the best label's. ``details["sign"]`` (labels, neurons) is 1 where the neuron is higher
    at the label's words, -1 where it is lower. The range is over all words, so a single outlier makes a neuron
    look less selective.
    """
    difference = np.stack([label_words.mean - rest.mean for label_words, rest in counts.against_the_rest()])
    least, greatest = counts.extremes.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_of_range = np.abs(difference) / (greatest - least)
    return Scores(
        share_of_range.max(axis=0), share_of_range, {"sign": np.where(difference < 0, -1, 1).astype(np.int8)}
    )


METHOD = counting_method(
    "selectivity",
    "how much higher a neuron is at a label's words, as a share of its range [Fan23]",
    selectivity,
    needs=["range"],
)
