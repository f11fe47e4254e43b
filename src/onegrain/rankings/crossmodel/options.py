"""Parameters of MaxCorr, MinCorr and LinReg."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.options import require_choice, require_count
from onegrain.errors import ParameterError

__all__ = [
    "COMPARE",
    "NULLS",
    "REDUCE",
    "SCORES",
    "CorrelationOptions",
    "LinregOptions",
    "require_interval",
]

COMPARE = ("all", "same-site")
NULLS = ("none", "rotation", "permutation")
SCORES = ("correlation", "excess")
REDUCE: Mapping[str, Callable[..., Any]] = {
    "worst": np.minimum.reduce,
    "best": np.maximum.reduce,
    "mean": np.mean,
}
"""The ways to combine the R^2 of other models; the code of [Bau19] takes the worst, others the best."""


@dataclass(frozen=True)
class CorrelationOptions:
    """Parameters of MaxCorr and MinCorr.

    Attributes:
        compare: ``all`` neurons of the other model, or those of the ``same-site`` only.
        signed: take the largest correlation instead of the largest absolute one.
        partners: number of best partners listed for each neuron in each other model.
        null: null distribution of the scores: ``rotation``, where each standardised site of the other models is
            rotated by a random orthogonal matrix; ``permutation``, where sentences of the ranked model are
            exchanged with others of similar length; or ``none``.
        draws: number of draws of the null; the smallest p-value without pooling is 1 / (draws + 1).
        pooled: compute p-values from the draws of all neurons together; see
            :meth:`onegrain.rankings.crossmodel.null.Null.p_values`.
        score: rank by the ``correlation``, or by its ``excess`` over the mean of the null.
        resamples: number of bootstrap draws of the sentences, for an interval of each score; 0 for no
            intervals.
        level: confidence level of the intervals.
    """

    compare: str = "all"
    signed: bool = False
    partners: int = 3
    null: str = "none"
    draws: int = 100
    pooled: bool = False
    score: str = "correlation"
    resamples: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        for name, choices in (("compare", COMPARE), ("null", NULLS), ("score", SCORES)):
            require_choice(name, getattr(self, name), choices)
        require_count("partners", self.partners)
        require_count("draws", self.draws)
        if self.draws == 1 and self.pooled:
            raise ParameterError(
                "pooled p-values need a standard deviation of each neuron: give 2 draws or more"
            )
        if self.score == "excess" and self.null == "none":
            raise ParameterError("an excess is over a null; give null=rotation or null=permutation")
        require_interval(self.resamples, self.level)


@dataclass(frozen=True)
class LinregOptions:
    """Parameters of LinReg.

    Attributes:
        reduce: which R^2 of the other models counts: the ``worst``, the ``best``, or their ``mean``.
        compare: predict from ``all`` neurons of the other model, or those of the ``same-site`` only.
        resamples: number of bootstrap draws of the sentences, for an interval of each score; 0 for no
            intervals.
        level: confidence level of the intervals.
    """

    reduce: str = "worst"
    compare: str = "all"
    resamples: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        require_interval(self.resamples, self.level)
        require_choice("reduce", self.reduce, tuple(REDUCE))
        require_choice("compare", self.compare, COMPARE)


def require_interval(resamples: int, level: float) -> None:
    """Raise ParameterError unless ``resamples`` draws (0 for no interval) can give an interval of ``level``."""
    require_count("resamples", resamples, 0)
    if resamples == 1 or not 0.0 < level < 1.0:
        raise ParameterError(
            f"an interval needs 2 or more resamples and a level between 0 and 1, got {resamples} and {level}"
        )
