"""Running mean and spread of every neuron, over blocks of words.

Other forms of these sums exist only for speed, and say so: compiled (``rankings/univariate/counting``), with
weights and in torch (``rankings/crossmodel/sums``), and for pairs of neurons in BLAS (``analyses/redundancy``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

__all__ = ["Spread"]


@dataclass(frozen=True, eq=False)
class Spread:
    """Number of words, and mean and squared deviations of each neuron over them, float64.

    Attributes:
        words: the number of words.
        mean: (neurons,); 0 without words.
        squares: (neurons,), sums of squared deviations from the mean; exactly 0 if a neuron never changes, and
            only then.
    """

    words: int
    mean: Float64[np.ndarray, " neurons"]
    squares: Float64[np.ndarray, " neurons"]

    @classmethod
    def none(cls, neurons: int) -> Spread:
        """Return the spread over no words."""
        return cls(0, np.zeros(neurons), np.zeros(neurons))

    @classmethod
    def of(cls, block: np.ndarray) -> Spread:
        """Return the spread over a block (n words, neurons).

        The squares are Q - S^2 / n, with S the sums of deviations from the first word and Q the sums of their
        squares. The difference loses at most a factor n of precision, since the squares about the mean are at
        least (S / n)^2 n / (n - 1), and it is 0 only if all deviations are 0.
        """
        deviations = block.astype(np.float64)
        near = deviations[0].copy()
        deviations -= near
        sums, squares = deviations.sum(axis=0), np.einsum("wn,wn->n", deviations, deviations)
        return cls(len(block), near + sums / len(block), squares - sums * (sums / len(block)))

    def merged(self, other: Spread) -> Spread:
        """Return the spread over the words of both [Chan, Golub, LeVeque 1983]."""
        share = other.words / max(self.words + other.words, 1)
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * (self.words * share)
        return Spread(self.words + other.words, self.mean + apart * share, squares)
