"""Null distributions of MaxCorr and MinCorr, and the p-values of scores against them.

A maximum over thousands of neurons is large by chance alone. The *rotation* null (rotations.py) rotates each
site of the other models by a random orthogonal matrix [Gurnee24]. The *permutation* null (permutations.py)
exchanges the sentences of the ranked model. docs/validity.md explains what each p-value claims and how that was
checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from onegrain.core.bootstrap import adjusted_p_values
from onegrain.records.parquet import json_numbers

__all__ = ["Null", "NullTest", "null_details"]


class Null:
    """The scores of every neuron in every draw of a null distribution.

    Args:
        kind: ``rotation`` or ``permutation``.
        scores: float64 (draws, neurons).
    """

    def __init__(self, kind: str, scores: Float64[np.ndarray, "draws neurons"]) -> None:
        self.kind = kind
        self.scores = scores

    @property
    def mean(self) -> Float64[np.ndarray, " neurons"]:
        """Mean score of each neuron over the draws."""
        return self.scores.mean(axis=0)

    def least_p(self, neurons: int, *, pooled: bool = False) -> float:
        """Return the smallest p-value that the draws can give if ``neurons`` neurons have a score."""
        draws = len(self.scores)
        return 1.0 / (1.0 + (draws * neurons if pooled else draws))

    def p_values(
        self, scores: Float64[np.ndarray, " neurons"], *, pooled: bool = False
    ) -> Float64[np.ndarray, " neurons"]:
        """Return (1 + draws that reach the score) / (1 + draws) [Phipson, Smyth 2010]; NaN without a score.

        The draws of one neuron give no p-value below 1 / (draws + 1), which is seldom small enough for
        thousands of neurons at once. With ``pooled``, a score is compared with the draws of all neurons. Each
        neuron's draws and
        score are first standardised together: under the null, a score is then as likely as any draw to be among
            the
        largest, so the expected number of p-values below a threshold is right over all neurons, even if their
        nulls have different shapes.
        """
        known = ~np.isnan(scores)
        p = np.full(len(scores), np.nan)
        if not known.any():
            return p
        draws = self.scores[:, known]
        if not pooled:
            reached = (draws >= scores[known]).sum(axis=0)
            p[known] = (1.0 + reached) / (1.0 + len(draws))
            return p
        together = np.vstack([draws, scores[known]])
        spread = np.maximum(together.std(axis=0, ddof=1), np.finfo(float).tiny)
        standard = (together - together.mean(axis=0)) / spread
        ordered = np.sort(standard[:-1].ravel())
        below = np.searchsorted(ordered, standard[-1], side="left")
        p[known] = (1.0 + len(ordered) - below) / (1.0 + len(ordered))
        return p


@dataclass(frozen=True, eq=False)
class NullTest:
    """Scores and the nulls that they are tested against; the largest p-value of all nulls counts.

    Attributes:
        scores: float64 (neurons,).
        nulls: the null distributions of these scores.
    """

    scores: Float64[np.ndarray, " neurons"]
    nulls: tuple[Null, ...]


def null_details(
    null: Null,
    scores: Float64[np.ndarray, " neurons"],
    *,
    pooled: bool,
    tested: NullTest | None = None,
) -> dict[str, Any]:
    """Return what the record of a ranking reports about its null.

    Lists are in the order of flat indices, with None for a neuron without a score.

    Args:
        null: the null that gives the mean and the excess.
        scores: float64 (neurons,), the scores of the ranking.
        pooled: see :meth:`Null.p_values`.
        tested: the test, if it is not of ``scores`` against ``null``.
    """
    test = tested or NullTest(scores, (null,))
    compared = np.where(np.isnan(scores), np.nan, test.scores)
    p = np.max([tested_null.p_values(compared, pooled=pooled) for tested_null in test.nulls], axis=0)
    neurons = int((~np.isnan(p)).sum())
    least = null.least_p(neurons, pooled=pooled)
    lists = {"mean": null.mean, "excess": scores - null.mean, "p": p, "q": adjusted_p_values(p)}
    if tested:
        lists |= {"tested_score": test.scores, "tested_mean": test.nulls[0].mean}
    return {
        "kind": null.kind,
        "draws": len(null.scores),
        "pooled": pooled,
        "tested": "normal scores" if tested else "values",
        "tested_against": [tested_null.kind for tested_null in test.nulls],
        "least_p": least,
        "least_q": min(1.0, least * neurons),
        **{name: json_numbers(values) for name, values in lists.items()},
    }
