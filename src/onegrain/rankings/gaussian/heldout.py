"""Held-out words in the coordinates of the chosen neurons, and how well the probe predicts them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from scipy.special import logsumexp

from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.gaussian.factor import Factor, blocks_of

__all__ = ["HeldOut", "Knowledge"]


@dataclass(frozen=True)
class Knowledge:
    """The quality of a probe's predictions of the labels of held-out words.

    Attributes:
        information: estimated mutual information of the label and the chosen neurons, in bits: the entropy of
            the words' labels minus the cross-entropy of the probe. Up to sampling error it is a lower bound; it
            is negative if the probe is worse than the label frequencies of the words.
        normalized: the information divided by the entropy; NaN if all words have one label.
        accuracy: share of the words whose label the probe finds most probable (of equals, the first).
    """

    information: float
    normalized: float
    accuracy: float


class HeldOut:
    """Held-out words, whose coordinates are updated as neurons are chosen.

    Attributes:
        values: float32 (words, neurons), standardised like the factor, in memory or in a scratch file. They
            overwrite the table of the words passed in.
        codes: int64 (words,), the label of each word.
        coordinates: float64 (labels, words, k), L_l^-1 (x - mu_l) of the chosen neurons.
        distances: float64 (labels, words), sums of squares of the coordinates.
        entropy: entropy of the words' labels, in bits.
    """

    def __init__(self, words: LabelledWords, factor: Factor) -> None:
        self.values, self.codes = words.values, words.codes
        for rows in blocks_of(len(words)):
            block = (np.asarray(self.values[rows]) - factor.center) * factor.inverse
            self.values[rows] = torch.from_numpy(block.astype(np.float32))
        labels, most, _ = factor.rows.shape
        self.coordinates = np.zeros((labels, len(words), most))
        self.distances = np.zeros((labels, len(words)))
        shares = np.bincount(self.codes, minlength=labels) / len(words)
        self.entropy = float(-(shares[shares > 0.0] * np.log2(shares[shares > 0.0])).sum())

    def __len__(self) -> int:
        return len(self.codes)

    def residuals(self, factor: Factor, neuron: int) -> Float64[np.ndarray, "labels words"]:
        """Return a neuron's values minus their conditional mean given the chosen neurons."""
        size = factor.size
        column = np.concatenate([np.asarray(self.values[rows])[:, neuron] for rows in blocks_of(len(self))])
        explained = np.einsum("lwt,lt->lw", self.coordinates[:, :, :size], factor.rows[:, :size, neuron])
        return column - factor.means[:, neuron, None] - explained

    def add(self, factor: Factor, neuron: int) -> None:
        """Add the coordinates of a neuron; call this before the neuron is added to the factor."""
        coordinate = self.residuals(factor, neuron) / np.sqrt(factor.left[:, neuron, None])
        self.coordinates[:, :, factor.size] = coordinate
        self.distances += coordinate**2

    def knowledge(self, factor: Factor) -> Knowledge:
        """Return how well the probe of the chosen neurons predicts the words."""
        posterior = _log_posterior(factor.log_joint(self.distances, factor.size))
        log_likelihood = float(posterior[self.codes, np.arange(len(self))].mean()) / np.log(2.0)
        information = float(self.entropy + log_likelihood)
        return Knowledge(
            information,
            information / self.entropy if self.entropy > 0.0 else float("nan"),
            float((posterior.argmax(axis=0) == self.codes).mean()),
        )


def _log_posterior(joint: Float64[np.ndarray, "labels words"]) -> Float64[np.ndarray, "labels words"]:
    return joint - logsumexp(joint, axis=0)
