"""One-dimensional Gaussians: what one neuron alone predicts of the label [Bau19]."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int32, Int64

from onegrain.rankings.labels import LabelOptions
from onegrain.rankings.univariate.counting.compiled import compiled
from onegrain.rankings.univariate.counting.counts import Counts
from onegrain.rankings.univariate.counting.scoring import Scores, counting_method, strips

__all__ = ["METHOD", "one_gaussian"]

LEAST_VARIANCE = 1e-6
"""Of a label, as a share of the neuron's variance."""


def one_gaussian(counts: Counts, options: LabelOptions) -> Scores:
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
    seen, height = counts.seen, prior[:, None] - np.log(variance) / 2.0

    def score(table: np.ndarray, part: slice) -> Scores:
        shape = height[:, part].T, mean[:, part].T, 0.5 / variance[:, part].T
        found = _f1(table, seen[part], counts.words, values[part], *shape)
        return Scores(found.mean(axis=0), found)

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
    """F1 of each label where words of a cell get the label with the largest height - steepness (x - mean)^2."""
    neurons, labels, cells = table.shape
    found = np.empty((labels, neurons))
    best, told = np.empty(cells), np.empty(cells, dtype=np.int64)
    for n in range(neurons):
        for label in range(labels):
            _tell(best, told, values[n], label, height[n, label], mean[n, label], steepness[n, label])
        right, either = np.zeros(labels, dtype=np.int64), words.copy()
        for cell in range(cells):
            right[told[cell]] += table[n, told[cell], cell]
            either[told[cell]] += seen[n, cell]
        for label in range(labels):
            found[label, n] = 2.0 * right[label] / either[label]
    return found


@compiled
def _tell(
    best: np.ndarray,
    told: np.ndarray,
    values: np.ndarray,
    label: int,
    height: float,
    mean: float,
    steepness: float,
) -> None:
    """Tell a label where it is better than those before it."""
    for cell in range(len(values)):
        away = values[cell] - mean
        here = height - steepness * away * away
        better = label == 0 or here > best[cell]
        told[cell] = label if better else told[cell]
        best[cell] = here if better else best[cell]


METHOD = counting_method(
    "gaussian-1d",
    "F1 of each label where one neuron alone predicts it by Gaussians [Bau19]",
    one_gaussian,
    needs=["histogram"],
)
