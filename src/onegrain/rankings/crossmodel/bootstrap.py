"""Bootstrap intervals over sentences of the correlation of a neuron with its best partners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from onegrain.core.bootstrap import quantile_interval
from onegrain.rankings.crossmodel.options import CorrelationOptions
from onegrain.rankings.crossmodel.partners import Partners
from onegrain.rankings.crossmodel.resampling import draws_of
from onegrain.rankings.crossmodel.sums.drawn import standard
from onegrain.rankings.crossmodel.sums.moments import NeuronMoments
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.data.blocks import read_blocks

__all__ = ["score_intervals"]

ROOM = 2**30
"""Bytes for the weighted sums of all draws; if all neurons need more, they are processed in parts."""


def score_intervals(
    passes: Passes,
    by_model: Sequence[NeuronMoments],
    partners: Partners,
    reduce: np.ufunc,
    options: CorrelationOptions,
    seed: int,
) -> tuple[Float64[np.ndarray, " neurons"], Float64[np.ndarray, " neurons"]]:
    """Return percentile intervals of the scores over resampled sentences [Efron, Tibshirani 1993, ch. 13].

    The words of a sentence are not independent, so entire sentences are drawn with replacement, as many as the
    corpus has; a draw weights each word by how often its sentence was drawn. In each draw a neuron's score is
    that of the best of its listed ``partners``. A neuron outside the list cannot become the best in a draw,
    which matters only if many partners are about equally good; in that case list more.

    Args:
        passes: the models and the words that count.
        by_model: moments of all neurons of each model.
        partners: the partners of each neuron.
        reduce: combines a neuron's scores in the other models into one.
        options: ``resamples`` and ``level``.
        seed: seed of the draws.

    Returns:
        The lower and the upper bounds, float64 (neurons,) each; NaN without a score.
    """
    ranked = passes.models[0]
    weights = draws_of(passes, options.resamples, seed)
    n_sums = 2 + 3 * partners.neuron.shape[0] * partners.neuron.shape[2]
    step = max(1, ROOM // (8 * options.resamples * n_sums))
    low, high = np.full(ranked.n_neurons, np.nan), np.full(ranked.n_neurons, np.nan)
    for start in range(0, ranked.n_neurons, step):
        neurons = slice(start, min(start + step, ranked.n_neurons))
        scores = _scores(passes, by_model, partners, weights, neurons)
        draws = reduce.reduce(scores, axis=1)
        draws[:, np.isnan(reduce.reduce(partners.scores[:, neurons], axis=0))] = np.nan
        low[neurons], high[neurons] = quantile_interval(draws, options.level)
    return low, high


def _scores(
    passes: Passes, by_model: Sequence[NeuronMoments], partners: Partners, weights: np.ndarray, neurons: slice
) -> Float64[np.ndarray, "draws models neurons"]:
    """Return the score of some neurons in each other model, in every draw."""
    models, n_partners = partners.neuron.shape[0], partners.neuron.shape[2]
    listed = np.maximum(partners.neuron[:, neurons], 0)
    counted, single, pairs = _weighted(passes, by_model, listed, weights, neurons)
    ranked = _spread(counted, *single)
    best = np.full((len(weights), models, listed.shape[1]), np.nan)
    for model in range(models):
        for place in range(n_partners):
            total, squares, cross = pairs[model][place]
            partner = _spread(counted, total, squares)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = (cross - single[0] * total / counted) / (ranked * partner)
            values = np.clip(values, -1.0, 1.0)
            values[:, partners.neuron[model, neurons, place] < 0] = np.nan
            best[:, model] = np.fmax(best[:, model], values if partners.signed else np.abs(values))
    return best


def _spread(counted: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return square roots of the squared deviations in each draw; NaN where a neuron is constant."""
    variation = squares - total**2 / counted
    return np.sqrt(np.where(variation > squares * 1e-12, variation, np.nan))


def _weighted(
    passes: Passes, by_model: Sequence[NeuronMoments], listed: np.ndarray, weights: np.ndarray, neurons: slice
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]]:
    """Return the weighted sums of standardised values in every draw.

    They are the number of words; the sums of each neuron and of its square; and for each other model and
    partner the sums of the partner, of its square, and of the product.
    """
    models, width, partners = listed.shape
    shape, device = (len(weights), width), passes.device
    sums = torch.zeros(2 + 3 * models * partners, *shape, dtype=torch.float64, device=device)
    counted = np.zeros((len(weights), 1))
    spans = [neurons, *(slice(0, model.n_neurons) for model in passes.models[1:])]
    scales = [
        standard(known.restrict(span), passes.n_words, device)
        for known, span in zip(by_model, spans, strict=True)
    ]
    sentence = passes.models[0].corpus.sentence_of_word
    with passes.report("bootstrap") as advance:
        words = (0, passes.models[0].n_words)
        for rows, blocks in read_blocks(passes.models, spans, words, passes.among):
            weight = torch.from_numpy(weights[:, sentence[rows]]).float().to(device)
            counted += weights[:, sentence[rows]].sum(axis=1, keepdims=True)
            values = [
                ((cast(Tensor, block).to(device) - mean) * scale).float()
                for block, (mean, scale) in zip(blocks, scales, strict=True)
            ]
            ranked, index = values[0], 2
            sums[0] += weight @ ranked
            sums[1] += weight @ ranked.square()
            for model in range(models):
                for partner in range(partners):
                    partner_values = values[1 + model][
                        :, torch.from_numpy(listed[model, :, partner]).to(device)
                    ]
                    for values_summed in (partner_values, partner_values.square(), ranked * partner_values):
                        sums[index] += weight @ values_summed
                        index += 1
            advance(len(rows))
    result = sums.cpu().numpy()
    pairs = [
        [tuple(result[2 + 3 * (model * partners + partner) :][:3]) for partner in range(partners)]
        for model in range(models)
    ]
    return counted, (result[0], result[1]), pairs
