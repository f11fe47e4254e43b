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
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from onegrain.core.constant import Extremes, exponents_of, rounding_in
from onegrain.rankings.data.memory import Memory, Table

__all__ = ["BLOCK", "Penalties", "ProbeData", "Words"]

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
    """Words with one label each, whose neurons have mean zero and standard deviation one, or nearly so.

    Attributes:
        n_words: how many.
        n_neurons: how many.
        n_labels: how many; every label occurs.
        targets: int64 (words,), labels as 0..labels-1.
        omega: (words,), weights of the words with mean one, or (words, G), those of each of G problems; None
            for one each.
        centred: whether the neurons' means by these weights are exactly zero.
        unit: float64 (neurons,), u_j, by which lambda1 is multiplied for a scaled neuron; 0 for one that never
            changes.
        dtype: of weights, biases and probabilities: float32 or float64.
        memory: where tables of a row a word go, and on which device all is computed.
    """

    n_words: int
    n_neurons: int
    n_labels: int
    targets: Tensor
    omega: Tensor | None
    centred: bool = True
    unit: Tensor
    dtype: torch.dtype
    memory: Memory

    @property
    def device(self) -> torch.device:
        """Where blocks, weights and tables are."""
        return self.memory.device

    def zeros(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Zeros on the words' device."""
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def tensor(self, array: np.ndarray | Tensor, dtype: torch.dtype) -> Tensor:
        """An array, or a tensor of whatever device, on the words' device."""
        return torch.as_tensor(array).to(self.device, dtype)

    @abstractmethod
    def block(self, rows: slice) -> Tensor:
        """(rows, neurons): scaled neurons of some words, in the dtype that products are computed in."""

    def rows(self, count: int = BLOCK) -> Iterator[slice]:
        """Blocks of so many words."""
        for first in range(0, self.n_words, count):
            yield slice(first, min(first + count, self.n_words))

    def weigh(self, block: Tensor, rows: slice) -> Tensor:
        """(rows, ...) or (rows, G, ...) times the weights of the words."""
        if self.omega is None:
            return block
        omega = self.omega[rows]
        return block * omega.reshape(omega.shape + (1,) * (block.dim() - omega.dim()))

    def with_omega(self, omega: Tensor | None) -> Self:
        """The same words with other weights."""
        found = copy(self)
        for known in ("label_shares", "label_products"):
            found.__dict__.pop(known, None)
        found.omega, found.centred = omega, False
        return found

    def residual(self, probabilities: Tensor, rows: slice) -> Tensor:
        """omega (P - y), for P (rows, G, labels), which is overwritten."""
        at = self.targets[rows, None, None].expand(-1, probabilities.shape[1], 1)
        probabilities.scatter_add_(2, at, probabilities.new_full((1, 1, 1), -1.0).expand_as(at))
        return self.weigh(probabilities, rows)

    @cached_property
    def label_shares(self) -> Tensor:
        """float64 (labels,) or (G, labels): share of the words, by weight, that carry each label."""
        weights = torch.ones(self.n_words) if self.omega is None else self.omega.cpu()
        counts = torch.zeros(self.n_labels, *weights.shape[1:], dtype=torch.float64)
        counts.index_add_(0, self.targets.cpu(), weights.double())
        return (counts / counts.sum(0)).movedim(0, -1).contiguous().to(self.device)

    @cached_property
    def label_products(self) -> Tensor:
        """float64 (neurons, labels) or (neurons, G, labels): (1/N) sum_i omega_i x_i y_i', x as scaled."""
        total = self.zeros(self.n_neurons, self.label_shares.numel())
        for rows in self.rows():
            block = self.block(rows)
            hot = torch.nn.functional.one_hot(self.targets[rows, None], self.n_labels)
            total += block.T @ self.weigh(hot, rows).flatten(1).to(block.dtype)
        return (total / self.n_words).view(-1, *self.label_shares.shape)


class ProbeData(Words):
    """Activations as they are, with one label a word; scaled block by block as they are read.

    Args:
        values: (words, neurons), float32 or float64, whose precision the solver's products have too.
        codes: int64 (words,), labels as 0..labels-1; every label occurs.
        n_labels: number of labels.
        word_weights: float64 (words,), positive or zero, or None for one each; only their ratios matter.
        standardize: whether the penalties, and the weights of the solution, are those of the scaled neurons.
        memory: where tables of a row a word go.
        rounding: of the values, relative (constant.py of core); by default that of their precision.

    Attributes:
        mean: float64 (neurons,): over the words, by weight.
        spread: float64 (neurons,): standard deviations, by weight; 0 for a constant neuron (constant.py of
            core). Without ``standardize`` it is 0 also where it is less than a 1e-12th of the largest one: the
            penalties are of the activations themselves, and such a neuron would need a weight of 1e12.
    """

    def __init__(
        self,
        values: np.ndarray | Table,
        codes: np.ndarray,
        n_labels: int,
        word_weights: np.ndarray | None = None,
        standardize: bool = False,
        memory: Memory | None = None,
        *,
        rounding: float | None = None,
    ) -> None:
        self.values, self.codes, self.word_weights, self.standardize = values, codes, word_weights, standardize
        self.n_words, self.n_neurons = (int(size) for size in values.shape)
        self.n_labels = n_labels
        self.dtype = torch.float64 if values.dtype in (np.float64, torch.float64) else torch.float32
        self.memory = memory or Memory()
        self.targets = self.tensor(np.ascontiguousarray(codes, dtype=np.int64), torch.int64)
        self.omega = None if word_weights is None else self._ratios(word_weights)
        self.rounding = rounding_in(self.dtype) if rounding is None else rounding
        self._lift: Tensor | None = None
        self.mean, self.spread = self._moments()
        live = self.spread > 0.0
        inverse = np.divide(1.0, self.spread, out=np.zeros(self.n_neurons), where=live)
        self.unit = self.tensor(live if standardize else inverse, torch.float64)
        lift = self._exponent
        self._shift = self.tensor(np.ldexp(self.mean, lift), self.dtype)
        self._factor = self.tensor(np.ldexp(inverse, -lift), self.dtype)

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations, joined over small blocks [Chan, Golub and LeVeque 1983].

        Each block is taken relative to its own first word, so that a neuron that never changes has exactly
        zero. Neurons whose squares float32 does not hold are multiplied by a power of two first.
        """
        extremes = self._extremes()
        self._exponent = np.zeros(self.n_neurons, dtype=np.int64)
        if self.dtype == torch.float32:
            self._exponent = exponents_of(extremes.sizes)
        if self._exponent.any():
            self._lift = self.tensor(np.ldexp(1.0, self._exponent), self.dtype)
        seen = 0.0
        mean, squares = self.zeros(2, self.n_neurons)
        for rows in self.rows(STATISTICS):
            block, omega = self._raw(rows), None if self.omega is None else self.omega[rows]
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
        found = np.ldexp((squares / max(seen, 1.0)).sqrt().cpu().numpy(), -self._exponent)
        found = np.where(extremes.constant(self.rounding), 0.0, found)
        least = 0.0 if self.standardize else STILL * found.max(initial=0.0)
        return np.ldexp(mean.cpu().numpy(), -self._exponent), np.where(found <= least, 0.0, found)

    def _extremes(self) -> Extremes:
        """The least and greatest value of every neuron, over the words as they are."""
        extremes = Extremes(self.n_neurons)
        for rows in self.rows():
            extremes.add(self._given(rows).cpu().numpy())
        return extremes

    def block(self, rows: slice | np.ndarray) -> Tensor:
        """(rows, neurons): scaled neurons of some words, by slice or index; zero for one that never changes."""
        return torch.sub(self._raw(rows), self._shift).mul_(self._factor)

    def _raw(self, rows: slice | np.ndarray) -> Tensor:
        values = self._given(rows)
        return values if self._lift is None else values * self._lift

    def _given(self, rows: slice | np.ndarray) -> Tensor:
        if not isinstance(self.values, np.ndarray):
            return self.tensor(self.values[rows], self.dtype)
        if self.values.flags.writeable:
            return self.tensor(torch.from_numpy(self.values)[rows], self.dtype)
        return self.tensor(np.array(self.values[rows]), self.dtype)

    def reweigh(self, word_weights: np.ndarray) -> ProbeData:
        """The same words, centred and scaled as they are here, with other weights, (words,) or (words, G)."""
        found = self.with_omega(self._ratios(word_weights))
        found.word_weights = word_weights
        return found

    def _ratios(self, word_weights: np.ndarray) -> Tensor:
        """Weights of the words with mean one."""
        given = np.asarray(word_weights, dtype=np.float64)
        return self.tensor(given / given.mean(axis=0), self.dtype)

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
            values = self.memory.host_table(self.n_words, len(neurons), self.values.dtype)
            for rows in self.rows():
                values[rows] = self.values[rows][:, neurons]
        return ProbeData(
            values,
            self.codes,
            self.n_labels,
            self.word_weights,
            self.standardize,
            self.memory,
            rounding=self.rounding,
        )

    def to_scaled(self, weights: np.ndarray) -> Tensor:
        """Weights (neurons, ...) as they are penalised, as weights of the scaled neurons."""
        factor = (self.spread > 0.0) * (1.0 if self.standardize else self.spread)
        return self.tensor(weights * _along(factor, weights.ndim), self.dtype)

    def from_scaled(self, weights: Tensor) -> np.ndarray:
        """The reverse, float64; a neuron that never changes has weight zero."""
        values = weights.double().cpu().numpy()
        return values * _along(self.unit.cpu().numpy(), values.ndim)


def _along(values: np.ndarray, dimensions: int) -> np.ndarray:
    """Values along the first of several dimensions."""
    return values.reshape((-1,) + (1,) * (dimensions - 1))
