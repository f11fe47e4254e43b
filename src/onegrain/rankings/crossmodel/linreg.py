"""Ranking by LinReg: a neuron matters if the neurons of another model together predict it [Dalvi19, Bau19]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from onegrain.core.bootstrap import quantile_interval
from onegrain.rankings.crossmodel.comparing import pairs_of, require_comparable
from onegrain.rankings.crossmodel.options import REDUCE, LinregOptions
from onegrain.rankings.crossmodel.redrawing import RegressionRedrawer
from onegrain.rankings.crossmodel.resampling import Regression, draws_of, explained_in_draws
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.crossmodel.whitening import explained, whitened
from onegrain.rankings.request import Method, Request
from onegrain.records.parquet import json_numbers
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace

__all__ = ["METHOD", "linreg"]

FACTOR_BYTES = 8 + 8 + 32
"""Bytes per element of the predictors' matrix: two sums, and the memory that eigenvectors need."""


def linreg(request: Request) -> Ranking:
    """Rank by R^2(i, m') of ordinary least squares of x_i on all neurons of m' and an intercept.

    R^2 = s_xy' S_yy^+ s_xy / s_xx, from sums in float64 over the words that have an activation in every model.
    If neurons of m' depend linearly on each other, the solution of minimum norm counts;
    :func:`onegrain.rankings.crossmodel.whitening.whitened` states the cut-off. R^2 is measured on the words
    that were fitted, where noise reaches (neurons of m') / words. A constant neuron has no R^2: it scores NaN,
    comes last, and predicts nothing. ``details`` holds:

    - ``models``, ``spaces``: the other models and their neurons;
    - ``words``: the number of words;
    - ``r2``: for each other model, in the order of flat indices (None for a constant neuron);
    - ``rank``: for each other model, the number of directions that its neurons span (per site with
      ``same-site``);
    - ``constant``, ``constant_in_others``: the number of constant neurons;
    - ``interval``, if requested: ``low`` and ``high`` over draws of entire sentences, for the regressions
      fitted to all words (:func:`onegrain.rankings.crossmodel.resampling.explained_in_draws`).

    Raises:
        MismatchError: the models were read on different words, two of them have the same weights, or with
            ``same-site`` a site is missing.
        ParameterError: there is no other model, there are fewer words than predicting neurons plus two, an
            activation is not finite, or the memory budget is too small for the products of the predicting
            neurons.
    """
    ranked, options = request.activations, request.options
    models = (ranked, *request.others)
    same_site = options.compare == "same-site"
    require_comparable("linreg", models, same_site=same_site)
    spaces = [model.space for model in models]
    widest = max(pair.shape[1] for pair in pairs_of(spaces, slice(0, ranked.n_neurons), same_site=same_site))
    passes = Passes.of(request, widest + 2, f"linreg (least squares on {widest} neurons and an intercept)")
    weights = draws_of(passes, options.resamples, request.seed) if options.resamples else None
    fit = _Fit(passes, spaces, weights, same_site=same_site)
    for group in fit.groups():
        fit.add(group)
    scores = REDUCE[options.reduce](fit.r2, axis=0)
    details = {
        "models": [other.describe() for other in request.others],
        "spaces": [other.space.to_json() for other in request.others],
        "r2": [json_numbers(row) for row in fit.r2],
        "rank": fit.rank,
        "constant": int(np.isnan(fit.r2[0]).sum()),
        "constant_in_others": fit.constant,
        "words": passes.n_words,
    }
    if fit.draws is not None:
        bounds = quantile_interval(REDUCE[options.reduce](fit.draws, axis=0), options.level)
        details["interval"] = {
            name: json_numbers(edge) for name, edge in zip(("low", "high"), bounds, strict=True)
        }
    return Ranking.by_scores("linreg", ranked.space, scores, request.provenance("linreg"), details=details)


class _Fit:
    """The R^2 of every neuron in each other model, filled in group by group.

    Attributes:
        r2: float64 (models, neurons); NaN for a constant neuron.
        rank: for each model, the numbers of directions that its predictors span.
        constant: number of constant neurons of each model.
        draws: float32 (models, draws, neurons), R^2 in each draw of the sentences, or None.

    Args:
        passes: the models and the words that count.
        spaces: the neurons of the models.
        weights: float64 (draws, sentences), or None for no draws.
        same_site: predict only from neurons of the site of the same name.
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
        self.draws: Float32[np.ndarray, "models draws neurons"] | None = None
        if weights is not None:
            shape = (len(spaces) - 1, len(weights), spaces[0].size)
            self.draws = np.full(shape, np.nan, dtype=np.float32)
        self._passes, self._spaces, self._weights, self._same_site = passes, spaces, weights, same_site

    def groups(self) -> list[list[int]]:
        """Return groups of other models that share a pass: all of them, or each alone if memory is short."""
        others = list(range(1, len(self._spaces)))
        return [others] if self._passes.has_room(2 * self._needs(others)) else [[number] for number in others]

    def add(self, group: Sequence[int]) -> None:
        """Fit all neurons on some other models: one pass for each tile of neurons, and one for its draws."""
        needs = self._needs(group)
        self._passes.require_room("the matrix of the predicting neurons and its eigenvectors", needs)
        n_neurons, widths = self._spaces[0].size, [self._spaces[number].size for number in group]
        if self._weights is not None:
            widths = [
                *widths,
                *widths,
                *(3 * len(self._weights) for _ in group),
            ]  # coefficients, and sums of the draws
        predictors: dict[tuple[int, int], Tensor] = {}
        for tile in self._passes.tiles(n_neurons, widths, dtype=torch.float64, spare=needs):
            self._fit(tile, group, predictors)

    def _fit(self, tile: slice, group: Sequence[int], predictors: dict[tuple[int, int], Tensor]) -> None:
        """Fit a tile of neurons; the first tile computes the predictors."""
        products = [pair for pair in self._pairs(tile) if pair.right in group]
        products += [] if predictors else self._squares(group)
        moments = self._passes.sums(products, dtype=torch.float64, what="regressions")
        if not predictors:
            predictors.update(self._predictors(moments))
        fits = [(pair, sums) for pair, sums in moments.products if pair.left == 0]
        for pair, sums in fits:
            whitening = predictors[pair.right, pair.right_neurons.start]
            predicted = moments.by_model[0].restrict(pair.left_neurons)
            self.r2[pair.right - 1, pair.left_neurons] = explained(predicted, sums, whitening)
        if self._weights is not None:
            self._draw(moments, fits, predictors)

    def _draw(
        self,
        moments: CrossMoments,
        fits: Sequence[tuple[Product, Tensor]],
        predictors: Mapping[tuple[int, int], Tensor],
    ) -> None:
        """Compute the R^2 of some regressions in every draw."""
        assert self._weights is not None
        assert self.draws is not None
        regressions = []
        for pair, sums in fits:
            whitening = predictors[pair.right, pair.right_neurons.start]
            regressions.append(Regression(pair, whitening @ (sums @ whitening).T))
        explained = explained_in_draws(self._passes, moments, regressions, self._weights)
        for pair, values in zip([pair for pair, _ in fits], explained, strict=True):
            known = np.isfinite(self.r2[pair.right - 1, pair.left_neurons])
            self.draws[pair.right - 1, :, pair.left_neurons] = np.where(known, values, np.nan)

    def _pairs(self, neurons: slice) -> list[Product]:
        return pairs_of(self._spaces, neurons, same_site=self._same_site)

    def _squares(self, group: Sequence[int]) -> list[Product]:
        """Return the products of the predicting neurons with each other."""
        pairs = self._pairs(slice(0, self._spaces[0].size))
        predicting = [(pair.right, pair.right_neurons) for pair in pairs if pair.right in group]
        return [Product(model, neurons, model, neurons) for model, neurons in predicting]

    def _needs(self, group: Sequence[int]) -> int:
        """Return the bytes of the predictors' matrices and of their eigenvectors."""
        return sum(FACTOR_BYTES * square.shape[0] ** 2 for square in self._squares(group))

    def _predictors(self, moments: CrossMoments) -> dict[tuple[int, int], Tensor]:
        """Return the whitening matrices of the predicting neurons, by model and first neuron."""
        predictors = {}
        for square, sums in moments.products:
            if square.left != 0:
                constant = moments.by_model[square.left].restrict(square.left_neurons).constant
                whitening = whitened(sums, constant)
                predictors[square.left, square.left_neurons.start] = whitening
                self.rank[square.left - 1].append(whitening.shape[1])
                self.constant[square.left - 1] += int(constant.sum())
        return predictors


METHOD = Method(
    name="linreg",
    summary="how well all neurons of another model together predict it [Dalvi19, Bau19]",
    function=linreg,
    options=LinregOptions,
    needs_others=True,
    takes_memory=True,
    takes_device=True,
    takes_engine=True,
    redraw=RegressionRedrawer,
)
