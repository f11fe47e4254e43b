"""LinReg: a neuron matters if all neurons of another model together predict it [Dalvi19, Bau19]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from onegrain.core.bootstrap import quantile_interval
from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.comparing import pairs_of, require_comparable
from onegrain.rankings.crossmodel.options import COMPARE, require_interval
from onegrain.rankings.crossmodel.resampling import Regression, draws_of, explained_in_draws
from onegrain.rankings.crossmodel.sums.moments import Moments, Product, Side
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.crossmodel.whitening import whitened
from onegrain.rankings.request import Method, Request
from onegrain.records.parquet import json_numbers
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["METHOD", "REDUCE", "LinregOptions", "linreg"]

REDUCE: Mapping[str, Callable[..., Any]] = {
    "worst": np.minimum.reduce,
    "best": np.maximum.reduce,
    "mean": np.mean,
}
"""How the R^2 of the other models become one: the released code of [Bau19] takes the worst, others the best."""

ROWS = 1024
"""Neurons whose predictions are made at once."""
FACTOR_BYTES = 8 + 8 + 32
"""Of one element of the predictors' matrix: two sums, and what its eigenvectors take."""


@dataclass(frozen=True)
class LinregOptions:
    """Parameters of LinReg.

    Attributes:
        reduce: which R^2 of the other models counts: the ``worst``, the ``best``, or their ``mean``.
        compare: predict from ``all`` neurons of the other model, or those of the ``same-site`` only.
        resamples: bootstrap draws of the sentences for an interval of each score; 0 for no intervals.
        level: of the intervals.
    """

    reduce: str = "worst"
    compare: str = "all"
    resamples: int = 0
    level: float = 0.95

    def __post_init__(self) -> None:
        require_interval(self.resamples, self.level)
        for name, there in (("reduce", tuple(REDUCE)), ("compare", COMPARE)):
            if getattr(self, name) not in there:
                raise ParameterError(f"{name} must be one of {', '.join(there)}, got {getattr(self, name)!r}")


def linreg(request: Request) -> Ranking:
    """Rank by R^2(i, m') of ordinary least squares of x_i on all neurons of m' and an intercept.

    R^2 = s_xy' S_yy^+ s_xy / s_xx, from sums in float64 over the words that have an activation in every model.
    Where neurons of m' depend on each other the solution of minimum norm counts, as of
    :func:`onegrain.rankings.crossmodel.whitening.whitened`, which states the cut-off. R^2 is that of the words
    that were fitted: noise has (neurons of m') / words. A constant neuron has none: it scores NaN and comes
    last, and predicts nothing. ``details`` holds:

    - ``models``, ``words``;
    - ``r2``: for each other model, by flat index (None for a constant neuron);
    - ``rank``: for each other model, how many directions its neurons span (of each site with ``same-site``);
    - ``constant``, ``constant_in_others``: how many neurons are constant;
    - ``interval``: where one was asked for, ``low`` and ``high`` over draws of whole sentences, of the
      regressions that all words gave (:func:`onegrain.rankings.crossmodel.resampling.explained_in_draws`).

    Raises:
        MismatchError: the models were read on different words, two of them have the same weights, or with
            ``same-site`` a site is missing.
        ParameterError: no other model, fewer words than the predicting neurons and two, an activation is not
            finite, or the memory budget does not hold the products of the predicting neurons.
    """
    own, options = request.activations, request.options
    models = (own, *request.others)
    same_site = options.compare == "same-site"
    require_comparable("linreg", models, same_site=same_site)
    spaces = [one.space for one in models]
    widest = max(pair.shape[1] for pair in pairs_of(spaces, slice(0, own.n_neurons), same_site=same_site))
    passes = Passes.of(request, widest + 2, f"linreg (least squares on {widest} neurons and an intercept)")
    weights = draws_of(passes, options.resamples, request.seed) if options.resamples else None
    fit = _Fit(passes, spaces, weights, same_site=same_site)
    for group in fit.groups():
        fit.take(group)
    scores = REDUCE[options.reduce](fit.r2, axis=0)
    details = {
        "models": [other.describe() for other in request.others],
        "r2": [json_numbers(row) for row in fit.r2],
        "rank": fit.rank,
        "constant": int(np.isnan(fit.r2[0]).sum()),
        "constant_in_others": fit.constant,
        "words": passes.n_words,
    }
    if fit.drawn is not None:
        bounds = quantile_interval(REDUCE[options.reduce](fit.drawn, axis=0), options.level)
        details["interval"] = {
            name: json_numbers(edge) for name, edge in zip(("low", "high"), bounds, strict=True)
        }
    return Ranking.by_scores("linreg", own.space, scores, request.provenance("linreg"), details=details)


class _Fit:
    """R^2 of every neuron in each other model.

    Attributes:
        r2: float64 (models, neurons); NaN for a constant neuron.
        rank: directions that the predictors span, a list for each model.
        constant: constant neurons of each model.
        drawn: float32 (models, draws, neurons), R^2 in each draw of the sentences, or None.

    Args:
        passes: the models and the words that count.
        spaces: the neurons of the models.
        weights: float64 (draws, sentences), or None for no draws.
        same_site: predict like from like.
    """

    def __init__(
        self,
        passes: Passes,
        spaces: Sequence[NeuronSpace],
        weights: Float64[np.ndarray, "draws sentences"] | None,
        *,
        same_site: bool,
    ) -> None:
        self.r2: Float64[np.ndarray, "models neurons"] = np.full((len(spaces) - 1, spaces[0].size), np.nan)
        self.rank: list[list[int]] = [[] for _ in spaces[1:]]
        self.constant = [0] * (len(spaces) - 1)
        self.drawn: Float32[np.ndarray, "models draws neurons"] | None = None
        if weights is not None:
            shape = (len(spaces) - 1, len(weights), spaces[0].size)
            self.drawn = np.full(shape, np.nan, dtype=np.float32)
        self._passes, self._spaces, self._weights, self._same_site = passes, spaces, weights, same_site

    def groups(self) -> list[list[int]]:
        """Which other models share a pass: all of them, or each alone where the budget holds no more."""
        every = list(range(1, len(self._spaces)))
        return [every] if self._passes.has_room(2 * self._needs(every)) else [[number] for number in every]

    def take(self, group: Sequence[int]) -> None:
        """Fit all neurons on some other models: a pass for each tile of neurons, and one more for its draws."""
        needs = self._needs(group)
        self._passes.require_room("the matrix of the predicting neurons and its eigenvectors", needs)
        n_neurons, widths = self._spaces[0].size, [self._spaces[number].size for number in group]
        if self._weights is not None:
            widths = [*widths, *widths, *(3 * len(self._weights) for _ in group)]  # coefficients, sums of draws
        predictors: dict[tuple[int, int], Tensor] = {}
        for tile in self._passes.tiles(n_neurons, widths, dtype=torch.float64, spare=needs):
            self._fit(tile, group, predictors)

    def _fit(self, tile: slice, group: Sequence[int], predictors: dict[tuple[int, int], Tensor]) -> None:
        """Fit a tile; its matrices go before the next tile's come. The first one makes the predictors."""
        asked = [pair for pair in self._of(tile) if pair.right in group]
        asked += [] if predictors else self._squares(group)
        moments = self._passes.sums(asked, dtype=torch.float64, what="regressions")
        if not predictors:
            predictors.update(self._predictors(moments))
        fits = [(pair, sums) for pair, sums in moments.products if pair.left == 0]
        for pair, sums in fits:
            made = predictors[pair.right, pair.right_neurons.start]
            side = moments.sides[0].at(pair.left_neurons)
            self.r2[pair.right - 1, pair.left_neurons] = _explained(side, sums, made)
        if self._weights is not None:
            self._draw(moments, fits, predictors)

    def _draw(
        self,
        moments: Moments,
        fits: Sequence[tuple[Product, Tensor]],
        predictors: Mapping[tuple[int, int], Tensor],
    ) -> None:
        """R^2 of some regressions in every draw."""
        assert self._weights is not None
        assert self.drawn is not None
        regressions = []
        for pair, sums in fits:
            made = predictors[pair.right, pair.right_neurons.start]
            regressions.append(Regression(pair, made @ (sums @ made).T))
        found = explained_in_draws(self._passes, moments, regressions, self._weights)
        for pair, values in zip([pair for pair, _ in fits], found, strict=True):
            known = np.isfinite(self.r2[pair.right - 1, pair.left_neurons])
            self.drawn[pair.right - 1, :, pair.left_neurons] = np.where(known, values, np.nan)

    def _of(self, neurons: slice) -> list[Product]:
        return pairs_of(self._spaces, neurons, same_site=self._same_site)

    def _squares(self, group: Sequence[int]) -> list[Product]:
        """The predicting neurons with each other."""
        sides = [(one.right, one.right_neurons) for one in self._of(slice(0, self._spaces[0].size))]
        return [Product(number, on, number, on) for number, on in sides if number in group]

    def _needs(self, group: Sequence[int]) -> int:
        """Bytes of the predictors' matrices, and of the eigenvectors of the largest."""
        return sum(FACTOR_BYTES * one.shape[0] ** 2 for one in self._squares(group))

    def _predictors(self, moments: Moments) -> dict[tuple[int, int], Tensor]:
        """What whitens the predicting neurons, by model and first neuron."""
        made = {}
        for square, sums in moments.products:
            if square.left != 0:
                side = moments.sides[square.left].at(square.left_neurons)
                made[square.left, square.left_neurons.start] = found = whitened(sums, side.constant)
                self.rank[square.left - 1].append(found.shape[1])
                self.constant[square.left - 1] += int(side.constant.sum())
        return made


def _explained(side: Side, sums: Tensor, predictors: Tensor) -> Float64[np.ndarray, " neurons"]:
    """R^2 of some neurons, by what whitens their predictors; NaN where the neuron is constant.

    Rounding beyond 1 is cut.
    """
    parts = [(rows @ predictors).square().sum(dim=1) for rows in sums.split(ROWS)]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = torch.cat(parts).cpu().numpy() / side.squares
    return np.where(side.constant, np.nan, np.minimum(found, 1.0))


METHOD = Method(
    name="linreg",
    summary="how well all neurons of another model together predict it [Dalvi19, Bau19]",
    function=linreg,
    options=LinregOptions,
    needs_others=True,
    takes_memory=True,
    takes_device=True,
    takes_engine=True,
)
