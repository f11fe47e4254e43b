"""MaxCorr, MinCorr and LinReg on draws of their sentences; the sums of many draws come from one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int64

from onegrain.errors import MismatchError, ParameterError
from onegrain.rankings.crossmodel.comparing import pairs_of, require_comparable
from onegrain.rankings.crossmodel.options import REDUCE, CorrelationOptions, LinregOptions
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.sums.drawn import drawn_sums, groups_of_draws, moments_of_all
from onegrain.rankings.crossmodel.sums.moments import Product
from onegrain.rankings.crossmodel.sums.passes import Passes, require_words
from onegrain.rankings.crossmodel.whitening import explained, whitened
from onegrain.rankings.redrawing import (
    CountedWords,
    Order,
    Redrawing,
    options_of,
    require_scores,
    require_source,
)
from onegrain.records.space import NeuronSpace

__all__ = ["CorrelationRedrawer", "RegressionRedrawer"]

FACTOR_BYTES = 8 + 8 + 32
"""Bytes per element of the predictors' matrix: a sum, a copy, and the memory that eigenvectors need."""


class _CrossmodelRedrawer:
    """The part of redrawing that all methods that compare models share.

    Attributes:
        words: the words that have an activation in every model; they have no labels.
        changing: bool (neurons,), False for constant neurons.
        random: False.

    Raises:
        MismatchError: the models are not those of the ranking, or their values are not.
    """

    random = False

    def __init__(self, request: Redrawing) -> None:
        ranking, models = request.ranking, (request.activations, *request.others)
        spaces = ranking.details.get("spaces", [])
        if len(spaces) != len(request.others):
            raise MismatchError(
                f"this {ranking.method} ranking compares {len(spaces)} other models, but {len(request.others)} "
                "are given; give those that rank() was given, in the same order"
            )
        for place, model in enumerate(models):
            require_source(ranking, model, place)
        for other, space in zip(request.others, spaces, strict=True):
            other.space.require_same(NeuronSpace.from_json(space), f"{ranking.method} ranking's other model")
        self._request, self._spaces = request, [model.space for model in models]
        among = require_words(models, 2, f"{ranking.method} (a correlation)")
        self._passes = Passes(
            models, among, device=request.device, memory=request.memory, progress=request.progress
        )
        sentences = request.activations.corpus.sentence_of_word[among]
        self.words = CountedWords(sentences, np.zeros(len(sentences), dtype=np.int64))
        self._known = moments_of_all(self._passes)
        self.changing = ~self._known[0].constant

    def orders(self, often: Int64[np.ndarray, "draws sentences"]) -> list[Order]:
        """Return the order of each draw; all words are one more draw, which must give the ranking's scores."""
        every = np.concatenate([np.ones((1, often.shape[1]), dtype=np.int64), often])
        by_word = np.zeros((len(every), len(self._passes.among)), dtype=np.int64)
        by_word[:, self._passes.among] = every[:, self.words.number]
        of_all, *scores = self._scores(by_word)
        require_scores(self._request.ranking, self._request.activations, of_all)
        return [Order.by_scores(drawn, self._request.seed) for drawn in scores]

    def reseeded(self, seeds: Sequence[int]) -> list[Order]:
        """Raise TypeError: sums have no seed."""
        raise TypeError("a ranking from sums takes no random steps")

    def _scores(self, often: Int64[np.ndarray, "draws words"]) -> list[np.ndarray]:
        raise NotImplementedError


class CorrelationRedrawer(_CrossmodelRedrawer):
    """MaxCorr or MinCorr of every draw; each neuron's best partner is found again among all neurons.

    Args:
        request: the request.
        reduce: combines a neuron's scores in the other models into one.

    Raises:
        ParameterError: the ranking is by excess over a null, which would have to be drawn again in every draw.
    """

    def __init__(self, request: Redrawing, reduce: np.ufunc) -> None:
        self._options = options_of(request.ranking, CorrelationOptions)
        if self._options.score == "excess":
            raise ParameterError(
                "stability of a ranking by excess would need a null for every draw; rank with score=correlation"
            )
        super().__init__(request)
        require_comparable(
            request.ranking.method, self._passes.models, same_site=self._options.compare == "same-site"
        )
        self._reduce = reduce

    def _scores(self, often: Int64[np.ndarray, "draws words"]) -> list[np.ndarray]:
        ranked, *others = self._spaces
        partners = [Partners(len(others), ranked.size, 1, signed=self._options.signed) for _ in often]
        same_site = self._options.compare == "same-site"
        for tile in self._passes.tiles(ranked.size, [space.size for space in others]):
            products = pairs_of(self._spaces, tile, same_site=same_site)
            for group in groups_of_draws(self._passes, products, len(often)):
                sums = drawn_sums(self._passes, products, often[group], self._known)
                for collector, moments in zip(partners[group], sums, strict=True):
                    collector.add(moments)
        return [np.asarray(self._reduce.reduce(collector.scores, axis=0)) for collector in partners]


class RegressionRedrawer(_CrossmodelRedrawer):
    """LinReg of every draw, with the regressions fitted again to the words of the draw."""

    def __init__(self, request: Redrawing) -> None:
        self._options = options_of(request.ranking, LinregOptions)
        super().__init__(request)

    def _scores(self, often: Int64[np.ndarray, "draws words"]) -> list[np.ndarray]:
        neurons, same_site = slice(0, self._spaces[0].size), self._options.compare == "same-site"
        pairs = pairs_of(self._spaces, neurons, same_site=same_site)
        squares = [Product(pair.right, pair.right_neurons, pair.right, pair.right_neurons) for pair in pairs]
        least = max(pair.shape[1] for pair in pairs) + 2
        fewest = int((often > 0).sum(axis=1).min())
        if fewest < least:
            raise ParameterError(
                f"a draw has {fewest} different words, and linreg needs at least {least} (least squares on "
                f"{least - 2} neurons); read more text, or restrict the sites"
            )
        self._passes.require_room(
            "the products of a draw and the eigenvectors of the predicting neurons",
            sum(8 * pair.shape[0] * pair.shape[1] + FACTOR_BYTES * pair.shape[1] ** 2 for pair in pairs),
        )
        scores = []
        for group in groups_of_draws(self._passes, [*pairs, *squares], len(often), torch.float64):
            sums = drawn_sums(self._passes, [*pairs, *squares], often[group], self._known, torch.float64)
            for moments in sums:
                r2 = np.full((len(self._spaces) - 1, neurons.stop), np.nan)
                products = moments.products
                for (pair, cross), (square, products_within) in zip(
                    products[: len(pairs)], products[len(pairs) :], strict=True
                ):
                    constant = moments.by_model[square.left].restrict(square.left_neurons).constant
                    predicted = moments.by_model[0].restrict(pair.left_neurons)
                    r2[pair.right - 1, pair.left_neurons] = explained(
                        predicted, cross, whitened(products_within, constant)
                    )
                scores.append(np.asarray(REDUCE[self._options.reduce](r2, axis=0)))
        return scores
