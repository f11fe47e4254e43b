"""Bootstrap intervals over sentences of how like a neuron its best partners are."""

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
from onegrain.rankings.crossmodel.sums.moments import Side
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.data.blocks import read_blocks

__all__ = ["score_intervals"]

ROOM = 2**30
"""Bytes for the weighted sums of all draws; neurons are taken in parts where they need more."""


def score_intervals(
    passes: Passes,
    sides: Sequence[Side],
    found: Partners,
    reduce: np.ufunc,
    options: CorrelationOptions,
    seed: int,
) -> tuple[Float64[np.ndarray, " neurons"], Float64[np.ndarray, " neurons"]]:
    """Percentile intervals of the scores over resampled sentences [Efron, Tibshirani 1993, ch. 13].

    The words of a sentence are not independent, so whole sentences are drawn, with replacement, as many as
    there are; every draw weighs each word by how often its sentence came. In each draw a neuron's score is that
    of the best of the ``partners`` that are listed for it. A neuron outside that list does not become the best
    in a draw, which matters only where many partners are about as good: list more of them then.

    Args:
        passes: the models and the words that count.
        sides: means and squared deviations of all neurons of each model.
        found: the partners of each neuron.
        reduce: how a neuron's scores in the other models become one.
        options: ``resamples`` and ``level``.
        seed: of the draws.

    Returns:
        The lower and the upper bounds; NaN without a score.
    """
    own = passes.models[0]
    weights = draws_of(passes, options.resamples, seed)
    listed = 2 + 3 * found.neuron.shape[0] * found.neuron.shape[2]
    step = max(1, ROOM // (8 * options.resamples * listed))
    low, high = np.full(own.n_neurons, np.nan), np.full(own.n_neurons, np.nan)
    for start in range(0, own.n_neurons, step):
        neurons = slice(start, min(start + step, own.n_neurons))
        scores = _scores(passes, sides, found, weights, neurons)
        one = reduce.reduce(scores, axis=1)
        one[:, np.isnan(reduce.reduce(found.scores[:, neurons], axis=0))] = np.nan
        low[neurons], high[neurons] = quantile_interval(one, options.level)
    return low, high


def _scores(
    passes: Passes, sides: Sequence[Side], found: Partners, weights: np.ndarray, neurons: slice
) -> Float64[np.ndarray, "draws models neurons"]:
    """The score of some neurons in each other model, in every draw."""
    models, partners = found.neuron.shape[0], found.neuron.shape[2]
    there = np.maximum(found.neuron[:, neurons], 0)
    counted, single, pairs = _weighted(passes, sides, there, weights, neurons)
    mine = _spread(counted, *single)
    best = np.full((len(weights), models, there.shape[1]), np.nan)
    for model in range(models):
        for at in range(partners):
            total, squares, cross = pairs[model][at]
            theirs = _spread(counted, total, squares)
            with np.errstate(divide="ignore", invalid="ignore"):
                values = (cross - single[0] * total / counted) / (mine * theirs)
            values = np.clip(values, -1.0, 1.0)
            values[:, found.neuron[model, neurons, at] < 0] = np.nan
            best[:, model] = np.fmax(best[:, model], values if found.signed else np.abs(values))
    return best


def _spread(counted: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Square roots of the squared deviations in each draw; NaN where a neuron is constant there."""
    left = squares - total**2 / counted
    return np.sqrt(np.where(left > squares * 1e-12, left, np.nan))


def _weighted(
    passes: Passes, sides: Sequence[Side], there: np.ndarray, weights: np.ndarray, neurons: slice
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]]]:
    """Weighted sums of every draw, all of standardised values: of words, of neurons, and of their partners.

    Sums of a neuron and of its square, and for each other model and partner likewise and of the product.
    """
    models, width, partners = there.shape
    shape, device = (len(weights), width), passes.device
    sums = torch.zeros(2 + 3 * models * partners, *shape, dtype=torch.float64, device=device)
    counted = np.zeros((len(weights), 1))
    spans = [neurons, *(slice(0, one.n_neurons) for one in passes.models[1:])]
    scales = [_standard(side.at(span), passes.n_words, device) for side, span in zip(sides, spans, strict=True)]
    sentence = passes.models[0].corpus.sentence_of_word
    with passes.told("bootstrap") as advance:
        words = (0, passes.models[0].n_words)
        for rows, blocks in read_blocks(passes.models, spans, words, passes.among):
            weight = torch.from_numpy(weights[:, sentence[rows]]).float().to(device)
            counted += weights[:, sentence[rows]].sum(axis=1, keepdims=True)
            values = [
                ((cast(Tensor, block).to(device) - mean) * scale).float()
                for block, (mean, scale) in zip(blocks, scales, strict=True)
            ]
            own, at = values[0], 2
            sums[0] += weight @ own
            sums[1] += weight @ own.square()
            for model in range(models):
                for partner in range(partners):
                    theirs = values[1 + model][:, torch.from_numpy(there[model, :, partner]).to(device)]
                    for one in (theirs, theirs.square(), own * theirs):
                        sums[at] += weight @ one
                        at += 1
            advance(len(rows))
    done = sums.cpu().numpy()
    pairs = [
        [tuple(done[2 + 3 * (model * partners + at) :][:3]) for at in range(partners)]
        for model in range(models)
    ]
    return counted, (done[0], done[1]), pairs


def _standard(side: Side, n_words: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Means, and what brings deviations to about one (0 for a constant neuron), float64 (neurons,)."""
    spread = np.sqrt(side.squares)
    with np.errstate(divide="ignore"):
        scale = np.where(side.constant, 0.0, np.sqrt(n_words) / spread)
    return torch.from_numpy(side.mean).to(device), torch.from_numpy(scale).to(device)
