"""The Gaussian of every label at its posterior mode, factorised row by row as neurons are chosen."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np
import torch
from jaxtyping import Float64, Int64

from onegrain.core.moments import Spread
from onegrain.rankings.data.blocks import BLOCK_ROWS
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.gaussian.options import CHOSEN, GaussianOptions

__all__ = ["Factor", "blocks_of"]

PRODUCT_ROWS = 64
"""Number of words that are multiplied at once; in float64 they fit in a cache."""


def blocks_of(n_words: int) -> Iterator[slice]:
    """Yield the blocks of rows in which words are read."""
    for first in range(0, n_words, BLOCK_ROWS):
        yield slice(first, min(first + BLOCK_ROWS, n_words))


class Factor:
    """The labels' Gaussians, and a partial Cholesky factorisation of their covariances.

    With n_l words of label l, S_l the sum of the products of their deviations from their mean m_l, m the mean
    of all words, s^2 variances, and the prior of GaussianOptions, a label's posterior scale matrix and mean are

        Lambda_l = S_l + scale diag(max(s_l^2, floor s^2)) + kappa n_l / (kappa + n_l) (m_l - m)(m_l - m)^T
        mu_l = (kappa m + n_l m_l) / (kappa + n_l)

    and its Gaussian has the mean mu_l and the covariance Lambda_l / q_l(d), q_l(d) = n_l + 2 d + degrees + 2,
    for d dimensions: the joint mode of the normal-inverse-Wishart posterior whose prior has d + degrees degrees
    of freedom.

    Neurons are standardised (mean 0, standard deviation 1 over the training words), which changes neither the
    prior nor any posterior probability of a label. Only the rows of the chosen neurons of Lambda_l are
    computed, each in one pass over the training words, in float64.

    Attributes:
        n_labels: number of labels.
        n_neurons: number of neurons.
        varies: bool (neurons,), False for neurons that are constant over the training words, which are never
            chosen.
        center, inverse: float64 (neurons,), mean and 1 / standard deviation; inverse is 0 for a constant
            neuron.
        means: float64 (labels, neurons), mu_l.
        rows: float64 (labels, k, neurons). The first ``size`` are rows of the factor, whose products are
            Lambda_l on the chosen neurons.
        left: float64 (labels, neurons), the diagonal of Lambda_l minus what the chosen neurons explain.
        log_determinants: float64 (labels,), of the block of Lambda_l of the chosen neurons.
        log_shares: float64 (labels,), log of the labels' shares of the training words.
        chosen: flat indices, in the order of the rows.
    """

    def __init__(self, train: LabelledWords, options: GaussianOptions) -> None:
        self._train, self._options = train, options
        groups = _spreads(train)
        all_words = list(accumulate(groups, Spread.merged))[-1]
        self._counts = np.array([group.words for group in groups], dtype=np.float64)
        self.n_labels, self.n_neurons = len(groups), len(all_words.mean)
        self.varies = ~train.constant() & (all_words.squares > 0.0)
        self.center = all_words.mean
        deviation = np.sqrt(all_words.squares / all_words.words)
        self.inverse = np.divide(1.0, deviation, out=np.zeros(self.n_neurons), where=self.varies)
        self._raw_means = np.stack([group.mean for group in groups])
        self._apart = (self._raw_means - self.center) * self.inverse
        self._pull = options.kappa * self._counts / (options.kappa + self._counts)
        self.means = self._apart * (self._counts / (options.kappa + self._counts))[:, None]
        squares = np.stack([group.squares for group in groups]) * self.inverse**2
        variances = squares / self._counts[:, None]
        self._prior = options.scale * np.maximum(variances, options.floor)
        self.left = squares + self._prior + self._pull[:, None] * self._apart**2
        self.rows = np.zeros((self.n_labels, min(options.k, int(self.varies.sum())), self.n_neurons))
        self.log_determinants = np.zeros(self.n_labels)
        self.log_shares = np.log(self._counts / self._counts.sum())
        self.chosen: list[int] = []

    @property
    def size(self) -> int:
        """Number of chosen neurons."""
        return len(self.chosen)

    def divisors(self, dimension: int) -> Float64[np.ndarray, " labels"]:
        """Return q_l, by which Lambda_l is divided for the covariance of ``dimension`` chosen neurons."""
        held = dimension if self._options.mode == CHOSEN else int(self.varies.sum())
        return self._counts + 2.0 * held + self._options.degrees + 2.0

    def log_joint(
        self, distances: Float64[np.ndarray, "labels words"], dimension: int
    ) -> Float64[np.ndarray, "labels words"]:
        """Return log p(label) p(x | label) in nats, up to a constant shared by all labels.

        Args:
            distances: (x - mu)^T Lambda^-1 (x - mu) of the chosen neurons.
            dimension: number of neurons of the covariance; one more than chosen if the caller adds the terms of
                another neuron.
        """
        divisors = self.divisors(dimension)
        constant = self.log_shares - 0.5 * (self.log_determinants - dimension * np.log(divisors))
        return constant[:, None] - 0.5 * divisors[:, None] * distances

    def add(self, pivot: int) -> None:
        """Add a chosen neuron: compute one more row of every label's factor."""
        size = self.size
        row = self._products(pivot) + self._pull[:, None] * self._apart[:, pivot, None] * self._apart
        above = self.rows[:, :size]
        row -= np.einsum("lt,ltn->ln", above[:, :, pivot], above)
        root = np.sqrt(self.left[:, pivot])
        row /= root[:, None]
        row[:, pivot] = root
        self.rows[:, size] = row
        self.left -= row**2
        # the rest of a diagonal is never below its prior part, except by rounding
        np.maximum(self.left, self._prior, out=self.left)
        self.log_determinants += 2.0 * np.log(root)
        self.chosen.append(pivot)

    def _products(self, pivot: int) -> Float64[np.ndarray, "labels neurons"]:
        """Return the pivot's row of every S_l, standardised, from one pass over the training words."""
        products = np.zeros((self.n_labels, self.n_neurons))
        parts = list(_parts(self._train, PRODUCT_ROWS))
        with ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="onegrain-products") as pool:
            sums = pool.map(lambda part: self._product(pivot, *part), parts)
            for (label, _), product in zip(parts, sums, strict=True):
                products[label] += product
        return products * self.inverse[pivot] * self.inverse

    def _product(
        self, pivot: int, label: int, rows: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, " neurons"]:
        """Return the part of some words of a label in the pivot's row of S_l, in units of the activations."""
        block = np.asarray(self._train.values[rows]).astype(np.float64)
        deviations = block[:, pivot] - self._raw_means[label, pivot]
        # deviations sum to 0 over all words of the label, so the other neurons need not be centred
        return np.einsum("w,wn->n", deviations, block)


def _parts(words: LabelledWords, height: int) -> Iterator[tuple[int, Int64[np.ndarray, " rows"]]]:
    """Yield each label with the rows of at most ``height`` of its words at once."""
    for label in range(len(words.labels)):
        label_rows = np.flatnonzero(words.codes == label)
        for first in range(0, len(label_rows), height):
            yield label, label_rows[first : first + height]


def _spreads(words: LabelledWords) -> list[Spread]:
    """Return the spread of every neuron within each label, from one pass."""
    spreads = [Spread.none(words.values.shape[1])] * len(words.labels)
    for label, rows in _parts(words, BLOCK_ROWS):
        spreads[label] = spreads[label].merged(Spread.of(np.asarray(words.values[rows])))
    return spreads
