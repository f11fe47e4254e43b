"""Correlations of neurons with labels and with each other, row by row as they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Float64, Int64

from onegrain.core.constant import Extremes
from onegrain.core.moments import Spread
from onegrain.core.ordering import shuffled_places
from onegrain.rankings.data.blocks import BLOCK_ROWS
from onegrain.rankings.data.labelled import LabelledWords

__all__ = ["Correlations", "blocks_of"]


def blocks_of(words: LabelledWords) -> Iterator[tuple[slice, Float64[np.ndarray, "rows neurons"]]]:
    """One pass over the words in float64, block by block."""
    for first in range(0, len(words), BLOCK_ROWS):
        rows = slice(first, min(first + BLOCK_ROWS, len(words)))
        yield rows, np.asarray(words.values[rows]).astype(np.float64)


class Correlations:
    """Pearson correlations over the training words, in float64.

    A constant neuron is given the correlation 0 with everything.

    Attributes:
        n_neurons: D.
        shares: float64 (labels,), of the words.
        varies: bool (neurons,), those that are not constant.
        center, inverse: float64 (neurons,), mean and 1 / standard deviation, 0 for a constant neuron.
        with_labels: float64 (labels, neurons), of each neuron with whether a word has the label.
        places: int64 (neurons,), drawn from the seed: of equal neurons the first by these is chosen.
        passes: how many passes over the words there were.
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
        """The correlations of some neurons with all; those not known yet take one pass together."""
        asked = list(neurons)
        new = sorted(set(asked) - set(self._rows))
        if new:
            self._rows.update(zip(new, self._with_neurons(np.array(new)), strict=True))
        return np.stack([self._rows[one] for one in asked]) if asked else np.empty((0, self.n_neurons))

    def _with_labels(self) -> Float64[np.ndarray, "labels neurons"]:
        found = np.zeros((len(self.shares), self.n_neurons))
        for rows, block in blocks_of(self._words):
            has = -np.tile(self.shares, (len(block), 1))
            has[np.arange(len(block)), self._words.codes[rows]] += 1.0
            found += has.T @ (block - self.center)
        self.passes += 1
        return found * self.inverse / (len(self._words) * np.sqrt(self.shares * (1.0 - self.shares)))[:, None]

    def _with_neurons(self, neurons: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, "rows neurons"]:
        found = np.zeros((len(neurons), self.n_neurons))
        for _, block in blocks_of(self._words):
            block -= self.center
            found += block[:, neurons].T @ block
        self.passes += 1
        found *= self.inverse / len(self._words)
        return found * self.inverse[neurons, None]
