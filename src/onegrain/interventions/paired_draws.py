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

    The bootstrap draws sentences with replacement, the same for every number, so that runs on the same
    sentences are paired. Random sets differ from each other, too: a draw of the random neurons is that of one
    more random set, from the multivariate t distribution that the measured sets predict. An excess over random
    neurons is therefore judged by what another random set would have done, not by the mean of all sets.

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
        """Return the rise per word of the chosen, and of one more random set, in every draw.

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
            another = _another_set(set_rng, len(weights), sets)
            words = weights @ self.words
            words[words == 0.0] = np.nan
            random = (weights @ flat).reshape(len(weights), sets, cells)
            yield (weights @ self.chosen) / words, np.einsum("ts,tsc->tc", another, random) / words


def _another_set(rng: np.random.Generator, draws: int, sets: int) -> np.ndarray:
    """Return weights of the measured sets, float64 (draws, sets), whose sum is one more set of the same kind.

    The sum is the mean of the sets plus a deviation with their covariance, scaled as a t distribution with
    ``sets - 1`` degrees of freedom and the variance of the mean ask for.
    """
    freedom = sets - 1
    normal = rng.normal(size=(draws, sets))
    normal -= normal.mean(axis=1, keepdims=True)
    scale = np.sqrt((1.0 + 1.0 / sets) / rng.chisquare(freedom, size=draws))
    return 1.0 / sets + normal * scale[:, None]
