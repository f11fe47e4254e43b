"""Ranking by one-dimensional Gaussians: how well one neuron alone predicts the label [Bau19]."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64

from onegrain.core.compiled import compiled
from onegrain.rankings.labels import LabelOptions
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.method import counting_method
from onegrain.rankings.univariate.counting.scoring import Scores, strips

__all__ = ["METHOD", "one_gaussian"]

LEAST_VARIANCE = 1e-6
"""Least variance of a neuron under one label, as a share of its variance over all words."""


def one_gaussian(counts: Counts, options: LabelOptions) -> Scores:
    """Score neurons by the F1 of labels predicted from one neuron; the overall score is the mean (macro F1).

    Each label has a Gaussian [Bau19]: a word with value x gets the label that maximises log pi_l + log N(x;
    mu_l, sigma_l^2), with pi_l the share of the label's words, mu_l and sigma_l^2 the mean and variance of the
    neuron over them (a variance is at least 1e-6 of the neuron's). All words of a cell (cells.py) get the label
    predicted for the value in its middle. F1 is measured on the words that the Gaussians were fitted to: two
    numbers per label and neuron leave little to overfit.
    """
    assert counts.cells is not None, "the method asked for no histogram"
    all_words = counts.everything()
    floor = LEAST_VARIANCE * all_words.squares / all_words.words
    mean = np.stack([spread.mean for spread in counts.spreads])
    variance = np.stack([np.maximum(spread.squares / spread.words, floor) for spread in counts.spreads])
    variance[:, counts.constant] = 1.0
    prior, values = np.log(counts.words / counts.words.sum()), counts.cells.values()
    seen, height = counts.seen, prior[:, None] - np.log(variance) / 2.0

    def score(table: np.ndarray, part: slice) -> Scores:
        shape = height[:, part].T, mean[:, part].T, 0.5 / variance[:, part].T
        f1 = _f1(table, seen[part], counts.words, values[part], *shape)
        return Scores(f1.mean(axis=0), f1)

    return strips(counts, score)


@compiled
def _f1(
    table: Int32[np.ndarray, "neurons labels cells"],
    seen: Int64[np.ndarray, "neurons cells"],
    words: Int64[np.ndarray, " labels"],
    values: Float64[np.ndarray, "neurons cells"],
    height: Float64[np.ndarray, "neurons labels"],
    mean: Float64[np.ndarray, "neurons labels"],
    steepness: Float64[np.ndarray, "neurons labels"],
) -> Float64[np.ndarray, "labels neurons"]:
    """Return each label's F1, where a cell gets the label of the largest height - steepness (x - mean)^2."""
    neurons, labels, cells = table.shape
    f1 = np.empty((labels, neurons))
    best, predicted = np.empty(cells), np.empty(cells, dtype=np.int64)
    for n in range(neurons):
        for label in range(labels):
            _predict(best, predicted, values[n], label, height[n, label], mean[n, label], steepness[n, label])
        right, either = np.zeros(labels, dtype=np.int64), words.copy()
        for cell in range(cells):
            right[predicted[cell]] += table[n, predicted[cell], cell]
            either[predicted[cell]] += seen[n, cell]
        for label in range(labels):
            f1[label, n] = 2.0 * right[label] / either[label]
    return f1


@compiled
def _predict(
    best: np.ndarray,
    predicted: np.ndarray,
    values: np.ndarray,
    label: int,
    height: float,
    mean: float,
    steepness: float,
) -> None:
    """Update the predictions in place: the cells where a label is better than those before it."""
    for cell in range(len(values)):
        deviation = values[cell] - mean
        density = height - steepness * deviation * deviation
        better = label == 0 or density > best[cell]
        predicted[cell] = label if better else predicted[cell]
        best[cell] = density if better else best[cell]


METHOD = counting_method(
    "gaussian-1d",
    "F1 of each label where one neuron alone predicts it by Gaussians [Bau19]",
    one_gaussian,
    needs=["histogram"],
)
