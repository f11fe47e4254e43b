"""Mean and spread of every neuron, over words that come in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

__all__ = ["Spread"]


@dataclass(frozen=True, eq=False)
class Spread:
    """What is known of each neuron over some words; float64.

    Attributes:
        words: how many words.
        mean: (neurons,); 0 without words.
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
        """Of a block (n words, neurons), from deviations from its first word: Q - S^2 / n.

        S are their sums and Q those of their squares. The difference loses no more than a factor n, for the
        squares about the mean are at least (S / n)^2 n / (n - 1); and it is 0 only where all deviations are.
        """
        deviations = block.astype(np.float64)
        near = deviations[0].copy()
        deviations -= near
        sums, squares = deviations.sum(axis=0), np.einsum("wn,wn->n", deviations, deviations)
        return cls(len(block), near + sums / len(block), squares - sums * (sums / len(block)))

    def merged(self, other: Spread) -> Spread:
        """Of both their words [Chan, Golub, LeVeque 1983]."""
        share = other.words / max(self.words + other.words, 1)
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * (self.words * share)
        return Spread(self.words + other.words, self.mean + apart * share, squares)
