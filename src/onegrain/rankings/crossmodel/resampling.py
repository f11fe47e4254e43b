"""Bootstrap draws over sentences of how well regressions predict neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64
from torch import Tensor

from onegrain.core.bootstrap import draw_weights
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product, spans_of, within
from onegrain.rankings.crossmodel.sums.passes import Passes
from onegrain.rankings.data.blocks import read_blocks

__all__ = ["Regression", "draws_of", "explained_in_draws"]


@dataclass(frozen=True, eq=False)
class Regression:
    """A least-squares regression of some neurons of the ranked model on some neurons of another model.

    Attributes:
        product: the predicted neurons (left) and the predicting neurons (right).
        coefficients: float64 (predicting, predicted), applied to deviations from the means.
    """

    product: Product
    coefficients: Float64[Tensor, "others neurons"]


def draws_of(passes: Passes, resamples: int, seed: int) -> Float64[np.ndarray, "draws sentences"]:
    """Return how often each sentence occurs in each draw; a draw is as many sentences as the corpus has."""
    sentences = passes.models[0].corpus.n_sentences
    return draw_weights(np.random.default_rng([seed, resamples]), resamples, sentences)


def explained_in_draws(
    passes: Passes, moments: CrossMoments, regressions: Sequence[Regression], weights: np.ndarray
) -> list[Float32[np.ndarray, "draws neurons"]]:
    """Return the R^2 of each regression in each draw of the sentences, from one pass; nothing is fitted anew.

    R^2 = 1 - sum_i w_i e_i^2 / sum_i w_i (x_i - m_w)^2, with e_i the error of the regression at word i, w_i how
    often the draw has its sentence, and m_w the draw's mean. With every w_i = 1 it is the R^2 of the fit. It is
    NaN for a neuron that is constant in a draw, and in a draw without words that count.

    Args:
        passes: the models and the words that count.
        moments: means of the neurons.
        regressions: the regressions, fitted to all words.
        weights: float64 (draws, sentences), see :func:`draws_of`.
    """
    spans = spans_of(len(passes.models), [regression.product for regression in regressions])
    means = [
        torch.from_numpy(known.restrict(span).mean) for known, span in zip(moments.by_model, spans, strict=True)
    ]
    errors = [_zeros(weights, regression.product.shape[0], passes.device) for regression in regressions]
    total, squares = (_zeros(weights, spans[0].stop - spans[0].start, passes.device) for _ in range(2))
    counted = np.zeros((len(weights), 1))
    sentence = passes.models[0].corpus.sentence_of_word
    with passes.report("bootstrap") as advance:
        words = (0, passes.models[0].n_words)
        for rows, blocks in read_blocks(passes.models, spans, words, passes.among):
            weight = torch.from_numpy(weights[:, sentence[rows]])
            counted += weight.sum(dim=1, keepdim=True).numpy()
            weight = weight.to(passes.device)
            deviations = [
                None if block is None else (block.double() - mean).to(passes.device)
                for block, mean in zip(blocks, means, strict=True)
            ]
            ranked = deviations[0]
            assert ranked is not None, "the ranked model is in every regression"
            total += weight @ ranked
            squares += weight @ ranked.square()
            for regression, summed in zip(regressions, errors, strict=True):
                product, predicting = regression.product, deviations[regression.product.right]
                assert predicting is not None, "a regression on a model that was not read"
                predicted = (
                    predicting[:, within(product.right_neurons, spans[product.right])] @ regression.coefficients
                )
                summed += weight @ (ranked[:, within(product.left_neurons, spans[0])] - predicted).square_()
            advance(len(rows))
    sums, sums_of_squares = total.cpu().numpy(), squares.cpu().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        variation = sums_of_squares - sums**2 / counted
    variation[~(variation > 1e-12 * sums_of_squares)] = np.nan
    return [
        (1.0 - summed.cpu().numpy() / variation[:, within(regression.product.left_neurons, spans[0])]).astype(
            np.float32
        )
        for regression, summed in zip(regressions, errors, strict=True)
    ]


def _zeros(weights: np.ndarray, neurons: int, device: torch.device) -> Tensor:
    return torch.zeros(len(weights), neurons, dtype=torch.float64, device=device)
