"""Rankings by a neuron's mean activation and by its standard deviation, without labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.moments import Spread
from onegrain.core.options import require_flag
from onegrain.rankings.request import Method, Request
from onegrain.rankings.univariate.counting.counts import count
from onegrain.rankings.univariate.counting.grouped_words import words_with_activation
from onegrain.records.ranking import Ranking

__all__ = ["MEAN", "STD", "MeanOptions", "mean", "std"]


@dataclass(frozen=True)
class MeanOptions:
    """Parameters of the ranking by the mean.

    Attributes:
        absolute: rank by the absolute value of the mean.
    """

    absolute: bool = False

    def __post_init__(self) -> None:
        require_flag("absolute", self.absolute)


def mean(request: Request) -> Ranking:
    """Rank by the mean activation over the words that have one; with ``absolute``, by its absolute value.

    One pass over the words, in float64. ``details`` holds the number of ``words``, the words ``left_out`` and
    the number of ``constant`` neurons.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    spread, details, _ = _spread(request)
    scores = np.abs(spread.mean) if request.options.absolute else spread.mean
    return _ranking("mean", request, scores, details)


def std(request: Request) -> Ranking:
    """Rank by the standard deviation (population) over the words that have an activation.

    One pass over the words, in float64; blocks are merged by their centred sums. A constant neuron scores
    exactly 0 and so comes last; ``details`` holds the number of ``constant`` neurons.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    spread, details, constant = _spread(request)
    scores = np.where(constant, 0.0, np.sqrt(spread.squares / spread.words))
    return _ranking("std", request, scores, details)


def _spread(request: Request) -> tuple[Spread, dict[str, Any], np.ndarray]:
    """Return the spread of every neuron, the record's details, and a mask of the constant neurons."""
    words = words_with_activation(request.activations, request.progress)
    counts = next(count(words))
    (spread,) = counts.spreads
    return spread, {**words.details(), "constant": int(counts.constant.sum())}, counts.constant


def _ranking(method: str, request: Request, scores: np.ndarray, details: dict[str, Any]) -> Ranking:
    return Ranking.by_scores(
        method, request.activations.space, scores, request.provenance(method), details=details
    )


MEAN = Method(
    name="mean",
    summary="mean activation, or its absolute value",
    function=mean,
    options=MeanOptions,
)


STD = Method(name="std", summary="standard deviation over the words", function=std)
