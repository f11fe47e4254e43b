"""Correlations of neurons with labels and with each other, computed row by row when needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float64, Int64

from onegrain.core.constant import Extremes
from onegrain.core.moments import Spread
from onegrain.core.ordering import shuffled_places
from onegrain.rankings.data.blocks import BLOCK_ROWS
from onegrain.rankings.data.labelled import LabelledWords

__all__ = ["LabelCorrelations", "blocks_of"]


def blocks_of(words: LabelledWords) -> Iterator[tuple[slice, Float64[np.ndarray, "rows neurons"]]]:
    """Yield the words in float64, block by block, with the rows of each block."""
    for first in range(0, len(words), BLOCK_ROWS):
        rows = slice(first, min(first + BLOCK_ROWS, len(words)))
        yield rows, np.asarray(words.values[rows]).astype(np.float64)


class LabelCorrelations:
    """Pearson correlations of neurons with labels and with neurons over the training words, in float64.

    A constant neuron has correlation 0 with everything.

    Attributes:
        n_neurons: number of neurons.
        shares: float64 (labels,), the share of the words that each label has.
        varies: bool (neurons,), False for constant neurons.
        center, inverse: float64 (neurons,), mean and 1 / standard deviation; inverse is 0 for a constant
            neuron.
        with_labels: float64 (labels, neurons), correlation with the indicator of each label.
        places: int64 (neurons,), a random permutation drawn from the seed, which decides between equal neurons.
        passes: number of passes over the words so far.
    """

    def __init__(self, words: LabelledWords, seed: int = 0) -> None:
        self._words, self._rows = words, dict[int, np.ndarray]()
        counts = np.bincount(words.codes, minlength=len(words.labels))
        self.shares = counts / len(words)
        spread = Spread.none(words.values.shape[1])
        extremes = Extremes(words.values.shape[1])
        for _, block in blocks_of(words):
            spread = spread.merged(Spread.of(block))
            extremes.add(block)
        self.n_neurons = len(spread.mean)
        self.places = shuffled_places(self.n_neurons, seed)
        self.varies, self.center = ~extremes.constant(words.rounding), spread.mean
        deviation = np.sqrt(spread.squares / len(words))
        self.inverse = np.divide(1.0, deviation, out=np.zeros(self.n_neurons), where=self.varies)
        self.passes = 1
        self.with_labels = self._with_labels()

    def rows(self, neurons: Iterable[int]) -> Float64[np.ndarray, "rows neurons"]:
        """Return the correlations of some neurons with all neurons; all missing rows take one pass together."""
        requested = list(neurons)
        missing = sorted(set(requested) - set(self._rows))
        if missing:
            self._rows.update(zip(missing, self._with_neurons(np.array(missing)), strict=True))
        return (
            np.stack([self._rows[neuron] for neuron in requested])
            if requested
            else np.empty((0, self.n_neurons))
        )

    def _with_labels(self) -> Float64[np.ndarray, "labels neurons"]:
        products = np.zeros((len(self.shares), self.n_neurons))
        for rows, block in blocks_of(self._words):
            indicator = -np.tile(self.shares, (len(block), 1))
            indicator[np.arange(len(block)), self._words.codes[rows]] += 1.0
            products += indicator.T @ (block - self.center)
        self.passes += 1
        return (
            products * self.inverse / (len(self._words) * np.sqrt(self.shares * (1.0 - self.shares)))[:, None]
        )

    def _with_neurons(self, neurons: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, "rows neurons"]:
        products = np.zeros((len(neurons), self.n_neurons))
        for _, block in blocks_of(self._words):
            block -= self.center
            products += block[:, neurons].T @ block
        self.passes += 1
        products *= self.inverse / len(self._words)
        return products * self.inverse[neurons, None]
