"""Mean and spread of every neuron, over words that come in blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["Spread"]


@dataclass(frozen=True, eq=False)
class Spread:
    """What is known of each neuron over some words, or over those of each label; float64.

    Attributes:
        words: how many words; int64 (labels, 1) where there are several labels.
        mean: (neurons,), or (labels, neurons); 0 without words.
        squares: likewise, sums of squared deviations from the mean; exactly 0 where a neuron never changes, and
            only there.
    """

    words: int | Int64[np.ndarray, "labels 1"]
    mean: Float64[np.ndarray, "*labels neurons"]
    squares: Float64[np.ndarray, "*labels neurons"]

    @classmethod
    def none(cls, neurons: int, labels: int | None = None) -> Spread:
        """Of no words."""
        if labels is None:
            return cls(0, np.zeros(neurons), np.zeros(neurons))
        return cls(np.zeros((labels, 1), np.int64), np.zeros((labels, neurons)), np.zeros((labels, neurons)))

    @classmethod
    def of(cls, block: np.ndarray) -> Spread:
        """Of a block (words, neurons): deviations are taken from its first word."""
        deviations = block.astype(np.float64)
        near = deviations[0].copy()
        deviations -= near
        squares = np.einsum("wn,wn->n", deviations, deviations)
        return cls.shifted(len(block), near, deviations.sum(axis=0), squares)

    @classmethod
    def shifted(
        cls, words: int | np.ndarray, near: np.ndarray, sums: np.ndarray, squares: np.ndarray
    ) -> Spread:
        """From the sums S of deviations from any value, ``near``, and of their squares Q: Q - S^2 / n.

        Where that value is one of the n words', the difference loses no more than a factor n, for the squares
        about the mean are then at least (S / n)^2 n / (n - 1); and it is 0 only where all deviations are.
        """
        known = np.maximum(words, 1)
        return cls(words, np.where(known == words, near + sums / known, 0.0), squares - sums * (sums / known))

    @classmethod
    def joined(cls, parts: Sequence[Spread]) -> Spread:
        """Of neighbouring ranges of neurons, at the same words, that of them all."""
        mean, squares = (
            np.concatenate(arrays, axis=-1)
            for arrays in zip(*((part.mean, part.squares) for part in parts), strict=True)
        )
        return cls(parts[0].words, mean, squares)

    def labels(self) -> tuple[Spread, ...]:
        """That of each label."""
        assert isinstance(self.words, np.ndarray), "there are no labels"
        counts = self.words[:, 0].tolist()
        return tuple(Spread(*one) for one in zip(counts, self.mean, self.squares, strict=True))

    def merged(self, other: Spread) -> Spread:
        """Of both their words [Chan, Golub, LeVeque 1983]."""
        share = other.words / np.maximum(self.words + other.words, 1)
        apart = other.mean - self.mean
        squares = self.squares + other.squares + apart**2 * (self.words * share)
        return Spread(self.words + other.words, self.mean + apart * share, squares)
