"""MaxCorr: a neuron is important if some neuron of another model does the same [Dalvi19, Bau19]."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from onegrain.core.activations import Activations
from onegrain.core.ranking import Ranking, order_by_score
from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings.crossmodel.moments import correlations, tiles
from onegrain.rankings.request import Request

__all__ = ["MaxCorrOptions", "maxcorr"]

COMPARE = ("all", "same-site")


@dataclass(frozen=True)
class MaxCorrOptions:
    """Parameters of MaxCorr.

    Attributes:
        compare: ``all`` neurons of the other model, or those of the ``same-site`` only.
        signed: take the largest correlation instead of the largest absolute one.
    """

    compare: str = "all"
    signed: bool = False

    def __post_init__(self) -> None:
        if self.compare not in COMPARE:
            raise ParameterError(f"compare must be one of {', '.join(COMPARE)}, got {self.compare!r}")


@dataclass(eq=False)
class _Best:
    """The best partner so far of every neuron, by flat index."""

    score: np.ndarray
    model: np.ndarray
    neuron: np.ndarray
    correlation: np.ndarray
    constant: np.ndarray


def maxcorr(request: Request) -> Ranking:
    """Rank by MaxCorr(i) = max over other models m', neurons j of m', of \\|rho(x_i, x_j)\\|.

    rho is the Pearson correlation over the words. A constant neuron has none: it scores NaN and comes last, and
    is not a partner. ``details`` holds the partner of every neuron by flat index (position in ``models``, flat
    index there, signed correlation; None for a neuron without), and how many neurons are constant.

    Raises:
        MismatchError: the models were read on different words, two of them have the same weights, or with
            ``same-site`` a site is missing.
        ParameterError: no other model, or an activation is not finite.
    """
    own, options = request.activations, request.options
    _require_comparable(own, request.others, options)
    best = _Best(
        score=np.full(own.n_neurons, np.nan),
        model=np.full(own.n_neurons, -1, dtype=np.int64),
        neuron=np.full(own.n_neurons, -1, dtype=np.int64),
        correlation=np.full(own.n_neurons, np.nan),
        constant=np.zeros(own.n_neurons, dtype=bool),
    )
    other_constant = []
    for number, other in enumerate(request.others):
        still = np.zeros(other.n_neurons, dtype=bool)
        for columns, other_columns in _ranges(own, other, options.compare):
            for tile in tiles(columns, other_columns.stop - other_columns.start):
                found = correlations(own, other, tile, other_columns)
                best.constant[tile], still[other_columns] = found.constant, found.other_constant
                _improve(best, tile, number, (found.values, other_columns.start), options.signed)
        other_constant.append(int(still.sum()))
    known = ~np.isnan(best.score)
    return Ranking(
        method="maxcorr",
        space=own.space,
        order=order_by_score(best.score),
        scores=best.score,
        n_ranked=int(known.sum()),
        provenance=request.provenance("maxcorr"),
        details={
            "models": [other.describe() for other in request.others],
            "partner": {
                "model": _listed(best.model, known),
                "neuron": _listed(best.neuron, known),
                "correlation": _listed(best.correlation, known),
            },
            "constant": int(best.constant.sum()),
            "constant_in_others": other_constant,
        },
    )


def _require_comparable(own: Activations, others: tuple[Activations, ...], options: MaxCorrOptions) -> None:
    if not others:
        raise ParameterError(
            "maxcorr compares two or more models; give at least one other, read on the same words"
        )
    for other in others:
        own.require_same_words(other)
        if options.compare == "same-site":
            missing = [site for site in own.space.sites if site not in other.space.sites]
            if missing:
                raise MismatchError(
                    f"{other.describe()} has no site {', '.join(missing)}; its sites are "
                    f"{', '.join(other.space.sites)}; restrict the sites, or compare all"
                )
    for first, second in combinations((own, *others), 2):
        models = first.provenance.model, second.provenance.model
        same_store = first.path is not None and first.path == second.path
        if same_store or (models[0] and models[1] and models[0].weight_hash == models[1].weight_hash):
            raise MismatchError(
                f"{first.describe()} and {second.describe()} are the same model (same weights): every neuron "
                "would correlate with itself; give models trained from other seeds or on other data"
            )


def _ranges(own: Activations, other: Activations, compare: str) -> list[tuple[slice, slice]]:
    """Column ranges that are compared: everything with everything, or site by site."""
    if compare == "all":
        return [(slice(0, own.n_neurons), slice(0, other.n_neurons))]
    return [(own.space.slice(site), other.space.slice(site)) for site in own.space.sites]


def _improve(best: _Best, tile: slice, number: int, found: tuple[np.ndarray, int], signed: bool) -> None:
    """Take over the partners of a tile that are better than what is known; ties stay with the earlier."""
    values, offset = found
    size = np.where(np.isnan(values), -np.inf, values if signed else np.abs(values))
    at = size.argmax(axis=1)
    rows = np.arange(len(size))
    score = size[rows, at]
    known = np.where(np.isnan(best.score[tile]), -np.inf, best.score[tile])
    better = np.flatnonzero(score > known)
    there = better + tile.start
    best.score[there], best.model[there] = score[better], number
    best.neuron[there] = at[better] + offset
    best.correlation[there] = values[better, at[better]]


def _listed(values: np.ndarray, known: np.ndarray) -> list[Any]:
    """The values as a list, None where unknown."""
    return [value if keep else None for value, keep in zip(values.tolist(), known.tolist(), strict=True)]
