"""Rankings by what a neuron does in general: its mean, and how far it moves from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.moments import Spread
from onegrain.errors import ParameterError
from onegrain.rankings.request import Method, Request
from onegrain.rankings.univariate.counting.counts import count
from onegrain.rankings.univariate.counting.grouped_words import words_with_activation
from onegrain.records.ranking import Ranking

__all__ = ["MEAN", "STD", "MeanOptions", "mean", "std"]


@dataclass(frozen=True)
class MeanOptions:
    """Parameters of the ranking by the mean.

    Attributes:
        absolute: rank by the size of the mean, whatever its sign.
    """

    absolute: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.absolute, bool):
            raise ParameterError(f"absolute must be true or false, got {self.absolute!r}")


def mean(request: Request) -> Ranking:
    """Rank by the mean activation over the words that have one; with ``absolute``, by its absolute value.

    One pass, in float64. ``details``: ``words``, ``left_out``, and how many neurons are ``constant``.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    found, details, _ = _spread(request)
    scores = np.abs(found.mean) if request.options.absolute else found.mean
    return _ranking("mean", request, scores, details)


def std(request: Request) -> Ranking:
    """Rank by the standard deviation (population) over the words that have an activation.

    One pass, in float64, merged centred. A constant neuron scores exactly 0 and so comes last; ``details`` says
    how many are ``constant``.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    found, details, constant = _spread(request)
    scores = np.where(constant, 0.0, np.sqrt(found.squares / found.words))
    return _ranking("std", request, scores, details)


def _spread(request: Request) -> tuple[Spread, dict[str, Any], np.ndarray]:
    words = words_with_activation(request.activations, request.progress)
    counts = next(count(words))
    (found,) = counts.spreads
    return found, {**words.details(), "constant": int(counts.constant.sum())}, counts.constant


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
