"""Held-out words in the coordinates of the chosen neurons, and what the probe knows of them."""

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
    """What a probe knows of held-out words.

    Attributes:
        information: mutual information of the label and the chosen neurons, in bits: the entropy of the words'
            labels less the cross-entropy of the probe on them. A lower bound of the true one, but for the luck
            of the words; below 0 where the probe is worse than the labels' shares among the words.
        normalized: that over the entropy; NaN where the words have one label.
        accuracy: share of the words whose label the probe finds most probable (the first, of equals).
    """

    information: float
    normalized: float
    accuracy: float


class HeldOut:
    """Held-out words, followed while neurons are chosen.

    Attributes:
        values: float32 (words, neurons), standardised as the factor is; in memory or in a scratch file. The
            table of the words that are given is overwritten.
        codes: int64 (words,).
        coordinates: float64 (labels, words, k), L_l^-1 (x - mu_l) of the chosen neurons.
        distances: float64 (labels, words), sums of their squares.
        entropy: of the words' labels, in bits.
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
        """A neuron's values less their conditional mean given the chosen neurons."""
        at = factor.size
        column = np.concatenate([np.asarray(self.values[rows])[:, neuron] for rows in blocks_of(len(self))])
        explained = np.einsum("lwt,lt->lw", self.coordinates[:, :, :at], factor.rows[:, :at, neuron])
        return column - factor.means[:, neuron, None] - explained

    def add(self, factor: Factor, neuron: int) -> None:
        """Follow the factor, which is about to be given the neuron."""
        own = self.residuals(factor, neuron) / np.sqrt(factor.left[:, neuron, None])
        self.coordinates[:, :, factor.size] = own
        self.distances += own**2

    def knowledge(self, factor: Factor) -> Knowledge:
        """What the probe of the chosen neurons knows of the words."""
        posterior = _log_posterior(factor.log_joint(self.distances, factor.size))
        known = float(posterior[self.codes, np.arange(len(self))].mean()) / np.log(2.0)
        information = float(self.entropy + known)
        return Knowledge(
            information,
            information / self.entropy if self.entropy > 0.0 else float("nan"),
            float((posterior.argmax(axis=0) == self.codes).mean()),
        )


def _log_posterior(joint: Float64[np.ndarray, "labels words"]) -> Float64[np.ndarray, "labels words"]:
    return joint - logsumexp(joint, axis=0)
