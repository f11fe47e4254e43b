"""Rankings by a neuron's mean activation and by its standard deviation, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.options import require_flag
from onegrain.rankings.request import Method, NoOptions, Request
from onegrain.rankings.univariate.counting.counts import Counts, count
from onegrain.rankings.univariate.counting.grouped_words import words_with_activation
from onegrain.rankings.univariate.counting.redrawing import CountedRedrawer
from onegrain.rankings.univariate.counting.scoring import Counting, Scores
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
    return _rank("mean", BY_MEAN, request)


def std(request: Request) -> Ranking:
    """Rank by the standard deviation (population) over the words that have an activation.

    One pass over the words, in float64; blocks are merged by their centred sums. A constant neuron scores
    exactly 0 and so comes last; ``details`` holds the number of ``constant`` neurons.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    return _rank("std", BY_STD, request)


def _mean(counts: Counts, options: MeanOptions) -> Scores:
    (spread,) = counts.spreads
    scores = np.abs(spread.mean) if options.absolute else spread.mean
    return Scores(scores, np.empty((0, len(scores))))


def _std(counts: Counts, options: NoOptions) -> Scores:
    (spread,) = counts.spreads
    scores = np.where(counts.constant, 0.0, np.sqrt(spread.squares / spread.words))
    return Scores(scores, np.empty((0, len(scores))))


BY_MEAN, BY_STD = Counting(_mean), Counting(_std)


def _rank(method: str, counting: Counting, request: Request) -> Ranking:
    words = words_with_activation(request.activations, request.progress)
    counts = next(count(words))
    scores = counting.score(counts, request.options).scores
    details = {**words.details(), "constant": int(counts.constant.sum())}
    return Ranking.by_scores(
        method, request.activations.space, scores, request.provenance(method), details=details
    )


MEAN = Method(
    name="mean",
    summary="mean activation, or its absolute value",
    function=mean,
    options=MeanOptions,
    redraw=lambda request: CountedRedrawer(request, BY_MEAN, MeanOptions),
)


STD = Method(
    name="std",
    summary="standard deviation over the words",
    function=std,
    redraw=lambda request: CountedRedrawer(request, BY_STD, NoOptions),
)
