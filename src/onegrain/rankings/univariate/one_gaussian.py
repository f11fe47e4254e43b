"""One-dimensional Gaussians: what one neuron alone predicts of the label [Bau19]."""

from __future__ import annotations

import numpy as np

from onegrain.rankings.request import NoOptions
from onegrain.rankings.univariate.counts import Counts
from onegrain.rankings.univariate.scoring import Scores, counting_method, strips

__all__ = ["METHOD", "one_gaussian"]

LEAST_VARIANCE = 1e-6
"""Of a label, as a share of the neuron's variance."""


def one_gaussian(counts: Counts, options: NoOptions) -> Scores:
    """F1 of each label where the label is predicted from one neuron; the mean over labels overall (macro F1).

    A Gaussian for each label [Bau19]: a word with value x gets the label that maximises log pi_l +
    log N(x; mu_l, sigma_l^2), with pi_l the share of the label's words, mu_l and sigma_l^2 the mean and
    variance of the neuron over them (a variance counts as at least 1e-6 of the neuron's). All words of a cell
    (cells.py) get the label of the value in its middle. It is measured on the words that it was fitted to: two
    numbers a label and neuron leave little to overfit.
    """
    assert counts.cells is not None, "the method asked for no histogram"
    everything = counts.everything()
    floor = LEAST_VARIANCE * everything.squares / everything.words
    mean = np.stack([spread.mean for spread in counts.spreads])
    variance = np.stack([np.maximum(spread.squares / spread.words, floor) for spread in counts.spreads])
    variance[:, counts.constant] = 1.0
    prior, values = np.log(counts.words / counts.words.sum()), counts.cells.values()
    labels = np.arange(len(prior))[:, None]

    def score(table: np.ndarray, part: slice) -> Scores:
        away = values[part][:, None] - mean[:, part].T[:, :, None]
        spread = variance[:, part].T[:, :, None]
        told = (prior[:, None] - np.log(spread) / 2.0 - away**2 / (2.0 * spread)).argmax(axis=1)
        hit = told[:, None] == labels
        right = np.where(hit, table, 0.0).sum(axis=2)
        predicted = np.where(hit, table.sum(axis=1, keepdims=True), 0.0).sum(axis=2)
        found = (2.0 * right / (predicted + counts.words)).T
        return Scores(found.mean(axis=0), found)

    return strips(counts, score)


METHOD = counting_method(
    "gaussian-1d",
    "F1 of each label where one neuron alone predicts it by Gaussians [Bau19]",
    one_gaussian,
    needs=["histogram"],
)
