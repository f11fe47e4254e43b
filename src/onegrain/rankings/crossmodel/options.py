"""What MaxCorr and MinCorr can be asked."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.errors import ParameterError

__all__ = ["COMPARE", "NULLS", "SCORES", "CorrelationOptions", "require_interval"]

COMPARE = ("all", "same-site")
NULLS = ("none", "rotation", "permutation")
SCORES = ("correlation", "excess")


@dataclass(frozen=True)
class CorrelationOptions:
    """Parameters of MaxCorr and MinCorr.

    Attributes:
        compare: ``all`` neurons of the other model, or those of the ``same-site`` only.
        signed: take the largest correlation instead of the largest absolute one.
        partners: how many best partners of each neuron in each other model are listed.
        null: what the scores are held against: ``rotation``, each site of the other models, standardised,
            turned by a random orthogonal matrix; ``permutation``, the sentences of the ranked model exchanged
            with others of like length; or ``none``.
        draws: of the null; the smallest p-value of a neuron's own draws is 1 / (draws + 1).
        pooled: p-values from the draws of all neurons at once; see
            :meth:`onegrain.rankings.crossmodel.null.Null.p_values`.
        score: rank by the ``correlation``, or by its ``excess`` over the mean of the null.
        resamples: bootstrap draws of the sentences for an interval of each score; 0 for no intervals.
        level: of the intervals.
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
        for name, there in (("compare", COMPARE), ("null", NULLS), ("score", SCORES)):
            if getattr(self, name) not in there:
                raise ParameterError(f"{name} must be one of {', '.join(there)}, got {getattr(self, name)!r}")
        for name, least in (("partners", 1), ("draws", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ParameterError(f"{name} must be a whole number of {least} or more, got {value!r}")
        if self.draws == 1 and self.pooled:
            raise ParameterError("pooled p-values need a standard deviation of each neuron: 2 draws or more")
        if self.score == "excess" and self.null == "none":
            raise ParameterError("an excess is over a null; give null=rotation or null=permutation")
        require_interval(self.resamples, self.level)


def require_interval(resamples: int, level: float) -> None:
    """Raise ParameterError unless so many draws (0 for no interval) give an interval of that level."""
    if not isinstance(resamples, int) or resamples < 0:
        raise ParameterError(f"resamples must be a whole number of 0 or more, got {resamples!r}")
    if resamples == 1 or not 0.0 < level < 1.0:
        raise ParameterError(
            f"an interval needs 2 or more resamples and a level between 0 and 1, got {resamples} and {level}"
        )
