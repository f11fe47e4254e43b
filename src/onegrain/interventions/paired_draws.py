"""Bootstrap draws of differences between runs of a model on the same sentences, beside random neurons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from onegrain.core.bootstrap import draw_weights

__all__ = ["PairedRises"]

DRAWS_AT_ONCE = 250


@dataclass(frozen=True, eq=False)
class PairedRises:
    """The rise of a loss per word in runs on the same sentences: of chosen neurons, and of random ones.

    The bootstrap draws sentences with replacement, the same for every number, and for the random neurons it
    draws the random sets with replacement too, so that an excess over random neurons has the uncertainty of
    both. Runs on the same sentences are thereby paired.

    Attributes:
        chosen: float64 (sentences, cells), each sentence's rise with the chosen neurons edited, in nats.
        random: float64 (sets, sentences, cells), the same with each set of random neurons.
        words: float64 (sentences, cells), the words that the rises are of.
    """

    chosen: np.ndarray
    random: np.ndarray
    words: np.ndarray

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rise per word, float64 (cells,), and that of each random set, float64 (sets, cells)."""
        words = self.words.sum(axis=0)
        return self.chosen.sum(axis=0) / words, self.random.sum(axis=1) / words

    def draws(self, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rise per word of the chosen, and the mean of the random sets, in every draw.

        Both are float64 (resamples, cells), NaN where no word of a cell was drawn.
        """
        parts = list(self._drawn(resamples, seed))
        chosen, random = (np.concatenate(side) for side in zip(*parts, strict=True))
        return chosen, random

    def _drawn(self, resamples: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        sets, sentences, cells = self.random.shape
        rng, set_rng = np.random.default_rng(seed), np.random.default_rng([seed, 1])
        flat = self.random.transpose(1, 0, 2).reshape(sentences, sets * cells)
        for start in range(0, resamples, DRAWS_AT_ONCE):
            weights = draw_weights(rng, min(DRAWS_AT_ONCE, resamples - start), sentences)
            picked = draw_weights(set_rng, len(weights), sets) / sets
            words = weights @ self.words
            words[words == 0.0] = np.nan
            random = (weights @ flat).reshape(len(weights), sets, cells)
            yield (weights @ self.chosen) / words, np.einsum("ts,tsc->tc", picked, random) / words
