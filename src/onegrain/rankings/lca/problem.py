"""The convex problem of the LCA probe: its words and its penalties.

With x_i the neurons of word i, P_i = softmax(theta x_i + b), y_i one-hot and omega_i the weight of the word
(mean one), the objective [Dalvi19, with the mean instead of the sum] is

    J(theta, b) = -(1/N) sum_i omega_i log P_i[t_i] + lambda1 * sum |theta| + lambda2 * sum theta^2

The solver sees every neuron centred (the bias is not penalised, so centring changes nothing but the bias) and
divided by its standard deviation, with the penalties of that neuron rescaled to match: the same problem, better
conditioned. Only this module knows both scales.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

__all__ = ["Penalties", "ProbeData", "subtract_labels"]

BLOCK = 4096
STILL = 1e-12


@dataclass(frozen=True, eq=False)
class Penalties:
    """lambda1 and lambda2 of G problems that are solved together.

    Attributes:
        l1: float64 (G,), the factors of sum |theta|.
        l2: float64 (G,), the factors of sum theta^2.
    """

    l1: np.ndarray
    l2: np.ndarray

    def __len__(self) -> int:
        return len(self.l1)

    @property
    def free(self) -> np.ndarray:
        """bool (G,): the problems without any penalty."""
        return (self.l1 == 0) & (self.l2 == 0)

    def take(self, kept: np.ndarray) -> Penalties:
        """Some of the penalties, by index or mask."""
        return Penalties(self.l1[kept], self.l2[kept])


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Words with one label each.

    Attributes:
        values: (words, neurons), float32 or float64, whose precision the solver's products have too.
        codes: int64 (words,), labels as 0..labels-1; every label occurs.
        n_labels: number of labels.
        word_weights: float64 (words,), positive or zero, or None for one each; only their ratios matter.
        standardize: whether the penalties, and the weights of the solution, are those of the scaled neurons.
    """

    values: np.ndarray
    codes: np.ndarray
    n_labels: int
    word_weights: np.ndarray | None = None
    standardize: bool = False

    @property
    def n_words(self) -> int:
        """Number of words."""
        return self.values.shape[0]

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.values.shape[1]

    @property
    def dtype(self) -> torch.dtype:
        """float32 or float64."""
        return torch.float64 if self.values.dtype == np.float64 else torch.float32

    @cached_property
    def targets(self) -> Tensor:
        """int64 (words,): the codes."""
        return torch.from_numpy(np.ascontiguousarray(self.codes, dtype=np.int64))

    @cached_property
    def omega(self) -> Tensor | None:
        """(words,): the weights with mean one, or None."""
        if self.word_weights is None:
            return None
        given = np.asarray(self.word_weights, dtype=np.float64)
        return torch.from_numpy(given / given.mean()).to(self.dtype)

    @cached_property
    def label_shares(self) -> np.ndarray:
        """float64 (labels,): share of the words, by weight, that carry each label."""
        counts = np.bincount(self.codes, weights=self.word_weights, minlength=self.n_labels)
        return counts / counts.sum()

    @cached_property
    def mean(self) -> np.ndarray:
        """float64 (neurons,): over the words, by weight."""
        if self.word_weights is None:
            return self.values.mean(axis=0, dtype=np.float64)
        return np.average(self.values, axis=0, weights=self.word_weights)

    @cached_property
    def spread(self) -> np.ndarray:
        """float64 (neurons,): standard deviations, by weight; 0 for a neuron that never changes.

        Less than a 1e-12th of the largest one counts as never.
        """
        total = np.zeros(self.n_neurons)
        for rows in self.rows():
            block = self.values[rows] - self.mean.astype(self.values.dtype)
            np.square(block, out=block)
            if self.omega is None:
                total += block.sum(axis=0, dtype=np.float64)
            else:
                total += self.omega[rows].double().numpy() @ block
        found = np.sqrt(total / max(self.n_words, 1))
        same = found <= STILL * found.max(initial=0.0)
        same |= self.values.min(axis=0, initial=np.inf) == self.values.max(axis=0, initial=-np.inf)
        return np.where(same, 0.0, found)

    @cached_property
    def scaled(self) -> Tensor:
        """(words, neurons): mean zero, standard deviation one; zero for a neuron that never changes."""
        inverse = np.divide(1.0, self.spread, out=np.zeros(self.n_neurons), where=self.spread > 0.0)
        factor, mean = (torch.from_numpy(part).to(self.dtype) for part in (inverse, self.mean))
        found = torch.empty(self.values.shape, dtype=self.dtype)
        for rows in self.rows():
            block = torch.from_numpy(self.values[rows])
            torch.sub(block, mean, out=found[rows])
            found[rows] *= factor
        return found

    @cached_property
    def label_products(self) -> Tensor:
        """float64 (neurons, labels): (1/N) sum_i omega_i x_i y_i', of the scaled neurons."""
        total = torch.zeros(self.n_neurons, self.n_labels, dtype=torch.float64)
        for rows in self.rows():
            nothing = torch.zeros(rows.stop - rows.start, 1, self.n_labels, dtype=self.dtype)
            found = subtract_labels(nothing, self.targets[rows], self.omega_of(rows))
            total += self.scaled[rows].T @ found.squeeze(1)
        return -total / self.n_words

    def rows(self) -> Iterator[slice]:
        """Blocks of words."""
        for first in range(0, self.n_words, BLOCK):
            yield slice(first, min(first + BLOCK, self.n_words))

    def omega_of(self, rows: slice) -> Tensor | None:
        """(rows,): the weights of some words, or None."""
        return None if self.omega is None else self.omega[rows]

    def to_scaled(self, weights: np.ndarray) -> Tensor:
        """Weights (neurons, ...) as they are penalised, as weights of the scaled neurons."""
        factor = (self.spread > 0.0) * (1.0 if self.standardize else self.spread)
        return torch.from_numpy(weights * _along(factor, weights.ndim)).to(self.dtype)

    def from_scaled(self, weights: Tensor) -> np.ndarray:
        """The reverse, float64; a neuron that never changes has weight zero."""
        values = weights.double().numpy()
        return values * _along(self._unit, values.ndim)

    def penalty_scale(self) -> Tensor:
        """(neurons,): u_j, by which lambda1 is multiplied for a scaled neuron; 0 for one that never changes."""
        return torch.from_numpy(self._unit).to(self.dtype)

    @cached_property
    def _unit(self) -> np.ndarray:
        live = self.spread > 0.0
        size = np.ones(self.n_neurons) if self.standardize else self.spread
        return np.divide(1.0, size, out=np.zeros(self.n_neurons), where=live)


def subtract_labels(probabilities: Tensor, codes: Tensor, omega: Tensor | None) -> Tensor:
    """omega (P - y), for P (words, G, labels), which is overwritten."""
    at = codes[:, None, None].expand(-1, probabilities.shape[1], 1)
    probabilities.scatter_add_(2, at, probabilities.new_full((1, 1, 1), -1.0).expand_as(at))
    if omega is not None:
        probabilities *= omega[:, None, None]
    return probabilities


def _along(values: np.ndarray, dimensions: int) -> np.ndarray:
    """Values along the first of several dimensions."""
    return values.reshape((-1,) + (1,) * (dimensions - 1))
