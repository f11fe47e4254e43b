"""The convex problem of the LCA probe: its words and its penalties.

With x_i the neurons of word i, P_i = softmax(theta x_i + b), y_i one-hot and omega_i the weight of the word
(mean one), the objective [Dalvi19, with the mean instead of the sum] is

    J(theta, b) = -(1/N) sum_i omega_i log P_i[t_i] + lambda1 * sum |theta| + lambda2 * sum theta^2

The solver sees every neuron centred (the bias is not penalised, so centring changes nothing but the bias) and
divided by its standard deviation, with the penalties of that neuron rescaled to match: the same problem, better
conditioned. Only this module knows both scales.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.lca.memory import Memory, Table

__all__ = ["BLOCK", "Penalties", "ProbeData", "Words", "subtract_labels"]

BLOCK = 1024
STATISTICS = 256
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

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(lambda1, lambda2) of each."""
        return list(zip(self.l1.tolist(), self.l2.tolist(), strict=True))

    @classmethod
    def of(cls, *pairs: tuple[float, float]) -> Penalties:
        """Penalties of (lambda1, lambda2)."""
        l1, l2 = np.array(pairs, dtype=np.float64).T
        return cls(l1, l2)

    def take(self, kept: np.ndarray) -> Penalties:
        """Some of the penalties, by index or mask."""
        return Penalties(self.l1[kept], self.l2[kept])


class Words(ABC):
    """Words with one label each, whose neurons have mean zero and standard deviation one: what solvers see.

    Attributes:
        n_words: how many.
        n_neurons: how many.
        n_labels: how many; every label occurs.
        targets: int64 (words,), labels as 0..labels-1.
        omega: (words,), weights of the words with mean one, or None for one each.
        unit: float64 (neurons,), u_j, by which lambda1 is multiplied for a scaled neuron; 0 for one that never
            changes.
        dtype: of weights, biases and probabilities: float32 or float64.
        memory: where tables of a row a word go.
    """

    n_words: int
    n_neurons: int
    n_labels: int
    targets: Tensor
    omega: Tensor | None
    unit: Tensor
    dtype: torch.dtype
    memory: Memory

    @abstractmethod
    def block(self, rows: slice) -> Tensor:
        """(rows, neurons): scaled neurons of some words, in the dtype that products are computed in."""

    def rows(self, count: int = BLOCK) -> Iterator[slice]:
        """Blocks of so many words."""
        for first in range(0, self.n_words, count):
            yield slice(first, min(first + count, self.n_words))

    def omega_of(self, rows: slice) -> Tensor | None:
        """(rows,): the weights of some words, or None."""
        return None if self.omega is None else self.omega[rows]

    def weigh(self, block: Tensor, rows: slice) -> Tensor:
        """(rows, ...) times the weights of the words."""
        return block if self.omega is None else block * self.omega[rows, None]

    @cached_property
    def label_shares(self) -> Tensor:
        """float64 (labels,): share of the words, by weight, that carry each label."""
        weights = None if self.omega is None else self.omega.double()
        counts = torch.bincount(self.targets, weights, self.n_labels).double()
        return counts / counts.sum()

    @cached_property
    def label_products(self) -> Tensor:
        """float64 (neurons, labels): (1/N) sum_i omega_i x_i y_i', of the scaled neurons."""
        total = torch.zeros(self.n_neurons, self.n_labels, dtype=torch.float64)
        for rows in self.rows():
            block = self.block(rows)
            hot = torch.zeros(len(block), self.n_labels, dtype=block.dtype)
            hot[torch.arange(len(block)), self.targets[rows]] = 1.0
            total += block.T @ self.weigh(hot, rows).to(block.dtype)
        return total / self.n_words


class ProbeData(Words):
    """Activations as they are, with one label a word; scaled block by block as they are read.

    Args:
        values: (words, neurons), float32 or float64, whose precision the solver's products have too.
        codes: int64 (words,), labels as 0..labels-1; every label occurs.
        n_labels: number of labels.
        word_weights: float64 (words,), positive or zero, or None for one each; only their ratios matter.
        standardize: whether the penalties, and the weights of the solution, are those of the scaled neurons.
        memory: where tables of a row a word go.

    Attributes:
        mean: float64 (neurons,): over the words, by weight.
        spread: float64 (neurons,): standard deviations, by weight; 0 for a neuron that never changes, as which
            less than a 1e-12th of the largest one counts.
    """

    def __init__(
        self,
        values: np.ndarray | Table,
        codes: np.ndarray,
        n_labels: int,
        word_weights: np.ndarray | None = None,
        standardize: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self.values, self.codes, self.word_weights, self.standardize = values, codes, word_weights, standardize
        self.n_words, self.n_neurons = (int(size) for size in values.shape)
        self.n_labels = n_labels
        self.dtype = torch.float64 if values.dtype in (np.float64, torch.float64) else torch.float32
        self.memory = memory or Memory()
        self.targets = torch.from_numpy(np.ascontiguousarray(codes, dtype=np.int64))
        self.omega = None
        if word_weights is not None:
            given = np.asarray(word_weights, dtype=np.float64)
            self.omega = torch.from_numpy(given / given.mean()).to(self.dtype)
        self.mean, self.spread = self._moments()
        live = self.spread > 0.0
        inverse = np.divide(1.0, self.spread, out=np.zeros(self.n_neurons), where=live)
        self.unit = torch.from_numpy(live.astype(np.float64) if standardize else inverse)
        self._shift, self._factor = (torch.from_numpy(one).to(self.dtype) for one in (self.mean, inverse))

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations, joined over small blocks [Chan, Golub and LeVeque 1983].

        Each block is taken relative to its own first word, so that a neuron that never changes has exactly
        zero.
        """
        seen = 0.0
        mean, squares = (torch.zeros(self.n_neurons, dtype=torch.float64) for _ in range(2))
        for rows in self.rows(STATISTICS):
            block, omega = self._raw(rows), self.omega_of(rows)
            size = float(len(block) if omega is None else omega.sum(dtype=torch.float64))
            if size == 0.0:
                continue
            away = block - block[0]
            sums = self.weigh(away, rows).sum(0, dtype=torch.float64)
            squared = self.weigh(away.square_(), rows).sum(0, dtype=torch.float64)
            step = block[0].double() + sums / size - mean
            within = (squared - sums.square() / size).clamp(min=0.0)
            mean += step * (size / (seen + size))
            squares += within + step.square() * (seen * size / (seen + size))
            seen += size
        found = (squares / max(seen, 1.0)).sqrt().numpy()
        return mean.numpy(), np.where(found <= STILL * found.max(initial=0.0), 0.0, found)

    def block(self, rows: slice | np.ndarray) -> Tensor:
        """(rows, neurons): scaled neurons of some words, by slice or index; zero for one that never changes."""
        return torch.sub(self._raw(rows), self._shift).mul_(self._factor)

    def _raw(self, rows: slice | np.ndarray) -> Tensor:
        if not isinstance(self.values, np.ndarray):
            return self.values[rows].to(self.dtype)
        if self.values.flags.writeable:
            return torch.from_numpy(self.values)[rows].to(self.dtype)
        return torch.from_numpy(np.array(self.values[rows])).to(self.dtype)

    def columns(self, used: Tensor) -> Table:
        """(words, used): some of the scaled neurons, by index."""
        found = self.memory.table(self.n_words, len(used), self.dtype)
        for rows in self.rows():
            found[rows] = self.block(rows)[:, used]
        return found

    def restrict(self, neurons: np.ndarray) -> ProbeData:
        """The same words with some of the neurons."""
        values: np.ndarray | Table
        if isinstance(self.values, np.ndarray):
            values = self.values[:, neurons]
        else:
            values = self.memory.table(self.n_words, len(neurons), self.values.dtype)
            for rows in self.rows():
                values[rows] = self.values[rows][:, neurons]
        return ProbeData(values, self.codes, self.n_labels, self.word_weights, self.standardize, self.memory)

    def to_scaled(self, weights: np.ndarray) -> Tensor:
        """Weights (neurons, ...) as they are penalised, as weights of the scaled neurons."""
        factor = (self.spread > 0.0) * (1.0 if self.standardize else self.spread)
        return torch.from_numpy(weights * _along(factor, weights.ndim)).to(self.dtype)

    def from_scaled(self, weights: Tensor) -> np.ndarray:
        """The reverse, float64; a neuron that never changes has weight zero."""
        values = weights.double().numpy()
        return values * _along(self.unit.numpy(), values.ndim)


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
