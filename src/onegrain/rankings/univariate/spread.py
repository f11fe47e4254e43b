"""Mean and spread of every neuron, over words that come in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from onegrain.rankings.univariate.words import CountedWords

__all__ = ["Spread", "spread"]


@dataclass(frozen=True, eq=False)
class Spread:
    """What is known of each neuron over some words; float64.

    Attributes:
        words: how many words.
        mean: (neurons,).
        squares: (neurons,), sums of squared deviations from the mean; exactly 0 where a neuron never changes,
            and only there.
    """

    words: int
    mean: Float64[np.ndarray, " neurons"]
    squares: Float64[np.ndarray, " neurons"]

    @classmethod
    def none(cls, neurons: int) -> Spread:
        """Of no words."""
        return cls(0, np.zeros(neurons), np.zeros(neurons))

    @classmethod
    def of(cls, block: np.ndarray) -> Spread:
        """Of a block (words, neurons): deviations are taken from its first word, and then from their mean."""
        deviations = block.astype(np.float64)
        near = deviations[0].copy()
        deviations -= near
        left = deviations.mean(axis=0)
        deviations -= left
        return cls(len(block), near + left, np.einsum("wn,wn->n", deviations, deviations))

    @classmethod
    def joined(cls, parts: Sequence[Spread]) -> Spread:
        """Of neighbouring ranges of neurons, at the same words, that of them all."""
        mean, squares = (
            np.concatenate(arrays)
            for arrays in zip(*((part.mean, part.squares) for part in parts), strict=True)
        )
        return cls(parts[0].words, mean, squares)

    def merged(self, other: Spread) -> Spread:
        """Of both their words [Chan, Golub, LeVeque 1983]."""
        if not self.words or not other.words:
            return self if self.words else other
        total, apart = self.words + other.words, other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * (self.words * other.words / total)
        return Spread(total, self.mean + apart * (other.words / total), squares)


def spread(words: CountedWords) -> Spread:
    """The spread of every neuron over the words, from one pass."""
    found = Spread.none(words.activations.n_neurons)
    for _, block in words.blocks("means"):
        found = found.merged(Spread.of(block))
    return found
