"""Ranking by the F statistic: does a neuron vary more between the labels than within them?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.core.moments import Spread
from onegrain.errors import LabelError
from onegrain.rankings.labels import LabelOptions
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.grouped_words import GroupedWords
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores

__all__ = ["METHOD", "f_statistic"]


def f_statistic(counts: Counts, options: LabelOptions) -> Scores:
    """Score neurons by the F statistic of a one-way analysis of variance between the labels [Fisher 1925].

    F = (sum_l n_l (m_l - m)^2 / (L - 1)) / (sum_l sum_i (x_i - m_l)^2 / (N - L)) for a neuron x over N words
    with L labels, n_l words of label l with mean m_l, and overall mean m. The score of one label is the F
    statistic of its words against all other words. A neuron that is constant within every group but differs
    between groups has an infinite F.
    """
    return Scores(_f(counts.spreads), np.stack([_f(pair) for pair in counts.against_the_rest()]))


def _f(groups: Sequence[Spread]) -> Float64[np.ndarray, " neurons"]:
    """Return the F statistic of each neuron between groups of words."""
    everything = list(accumulate(groups, Spread.merged))[-1]
    between = sum(group.words * (group.mean - everything.mean) ** 2 for group in groups) / (len(groups) - 1)
    within = sum(group.squares for group in groups) / (everything.words - len(groups))
    with np.errstate(divide="ignore", invalid="ignore"):
        return between / within


def _require_spread(words: GroupedWords) -> None:
    if len(words) == len(words.labels):
        raise LabelError(
            f"each of the {len(words.labels)} labels ({', '.join(words.labels)}) has one word, so nothing "
            "varies within a label; label more words, or choose another layer"
        )


def _degrees(words: GroupedWords, options: LabelOptions) -> dict[str, Any]:
    n_words, n_labels = len(words), len(words.labels)
    return {
        "degrees_of_freedom": {"scores": [n_labels - 1, n_words - n_labels], "label_scores": [1, n_words - 2]}
    }


METHOD = counting_method(
    "f-statistic",
    "variance between the labels against the variance within them",
    f_statistic,
    require=_require_spread,
    describe=_degrees,
)
