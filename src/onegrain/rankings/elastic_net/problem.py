"""The convex problem of the LCA probe: the words that it is fitted to, and its penalties.

With x_i the neurons of word i, P_i = softmax(theta x_i + b), y_i the one-hot label and omega_i the weight of
the word (weights have mean one), the objective [Dalvi19, with the mean instead of the sum] is

    J(theta, b) = -(1/N) sum_i omega_i log P_i[t_i] + lambda1 * sum |theta| + lambda2 * sum theta^2

The solver works on scaled neurons: each minus its mean and divided by its standard deviation, with its
penalties rescaled to match. The bias is not penalised, so centring changes only the bias. It is the same
problem, better conditioned. Only this module converts between the two scales.
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
from onegrain.core.interruption import check_interruption
from onegrain.rankings.data.memory import Memory, Table, values_of

__all__ = ["BLOCK", "Penalties", "ProbeData", "Words"]

BLOCK = 1024
STATISTICS = 256
STRIP = 512
LEAST_SPREAD = 1e-12


@dataclass(frozen=True, eq=False)
class Penalties:
    """The penalties lambda1 and lambda2 of G problems that are solved together.

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
        """bool (G,): True for a problem without any penalty."""
        return (self.l1 == 0) & (self.l2 == 0)

    @property
    def pairs(self) -> list[tuple[float, float]]:
        """(lambda1, lambda2) of each problem."""
        return list(zip(self.l1.tolist(), self.l2.tolist(), strict=True))

    @classmethod
    def of(cls, *pairs: tuple[float, float]) -> Penalties:
        """Return the penalties of some pairs (lambda1, lambda2)."""
        l1, l2 = np.array(pairs, dtype=np.float64).T
        return cls(l1, l2)

    def take(self, kept: np.ndarray) -> Penalties:
        """Return the penalties of some of the problems, by index or mask."""
        return Penalties(self.l1[kept], self.l2[kept])


class Words(ABC):
    """Words with one label each, whose neurons have mean zero and standard deviation one, or nearly so.

    Attributes:
        n_words: number of words.
        n_neurons: number of neurons.
        n_labels: number of labels; every label occurs.
        targets: int64 (words,), the label of each word, from 0 to n_labels - 1.
        omega: (words,), weights of the words with mean one, or (words, G), weights for each of G problems; None
            if every word has weight one.
        centred: True if the neurons' means by these weights are exactly zero.
        kept: bool (neurons, G), the neurons of each of G problems, whose other weights stay 0; None if every
            problem has all neurons.
        unit: float64 (neurons,), u_j: the factor of lambda1 for a scaled neuron, and its square that of
            lambda2; 0 for a constant neuron.
        dtype: dtype of weights, biases and probabilities: float32 or float64.
        memory: holds the tables with a row per word, and names the device that computes.
    """

    n_words: int
    n_neurons: int
    n_labels: int
    targets: Tensor
    omega: Tensor | None
    centred: bool = True
    kept: Tensor | None = None
    unit: Tensor
    dtype: torch.dtype
    memory: Memory

    @property
    def device(self) -> torch.device:
        """The device of blocks, weights and tables."""
        return self.memory.device

    def zeros(self, *shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
        """Return zeros on the words' device."""
        return torch.zeros(shape, dtype=dtype, device=self.device)

    def tensor(self, array: np.ndarray | Tensor, dtype: torch.dtype) -> Tensor:
        """Return an array, or a tensor on any device, as a tensor on the words' device."""
        return torch.as_tensor(array).to(self.device, dtype)

    @abstractmethod
    def block(self, rows: slice) -> Tensor:
        """Return scaled neurons of some words, (rows, neurons), in the dtype that products are computed in."""

    def selected(self, rows: slice, neurons: Tensor) -> Tensor:
        """Return some of the scaled neurons, by index, of some words, (rows, selected)."""
        return self.block(rows).index_select(1, neurons)

    def rounded(self, weights: Tensor) -> Tensor:
        """Return weights (neurons, K) as ``product`` takes them."""
        return weights

    def product(self, block: Tensor, rounded: Tensor) -> Tensor:
        """Return a block of words (rows, neurons) times rounded weights, (rows, K), in the words' dtype."""
        return (block @ rounded.to(block.dtype)).to(self.dtype)

    def rows(self, count: int = BLOCK) -> Iterator[slice]:
        """Yield slices that divide the words into blocks of ``count``."""
        for first in range(0, self.n_words, count):
            check_interruption()
            yield slice(first, min(first + count, self.n_words))

    def columns(self, used: Tensor) -> Table:
        """Return some of the scaled neurons, by index, as a table (words, used)."""
        table = self.memory.table(self.n_words, len(used), self.dtype)
        for rows in self.rows():
            table[rows] = self.selected(rows, used)
        return table

    def weigh(self, block: Tensor, rows: slice) -> Tensor:
        """Multiply a block (rows, ...) or (rows, G, ...) by the weights of its words."""
        if self.omega is None:
            return block
        omega = self.omega[rows]
        return block * omega.reshape(omega.shape + (1,) * (block.dim() - omega.dim()))

    def live(self, number: int) -> Tensor:
        """Return which neurons a problem can use, bool (neurons,): those that it has, without constant ones."""
        varies = self.unit > 0.0
        return varies if self.kept is None else varies & self.kept[:, number]

    def with_kept(self, kept: Tensor | None) -> Self:
        """Return the same words with other neurons for each problem."""
        masked = copy(self)
        masked.kept = kept
        return masked

    def with_omega(self, omega: Tensor | None) -> Self:
        """Return the same words with other weights."""
        reweighed = copy(self)
        for cached_name in ("label_shares", "label_products"):
            reweighed.__dict__.pop(cached_name, None)
        reweighed.omega, reweighed.centred = omega, False
        return reweighed

    def residual(self, probabilities: Tensor, rows: slice) -> Tensor:
        """Return omega (P - y), for P (rows, G, labels), which is overwritten."""
        label_indices = self.targets[rows, None, None].expand(-1, probabilities.shape[1], 1)
        probabilities.scatter_add_(
            2, label_indices, probabilities.new_full((1, 1, 1), -1.0).expand_as(label_indices)
        )
        return self.weigh(probabilities, rows)

    @cached_property
    def label_shares(self) -> Tensor:
        """float64 (labels,) or (G, labels): the share of the words, by weight, that carry each label."""
        weights = torch.ones(self.n_words) if self.omega is None else self.omega.cpu()
        counts = torch.zeros(self.n_labels, *weights.shape[1:], dtype=torch.float64)
        counts.index_add_(0, self.targets.cpu(), weights.double())
        return (counts / counts.sum(0)).movedim(0, -1).contiguous().to(self.device)

    @cached_property
    def label_products(self) -> Tensor:
        """float64 (neurons, labels) or (neurons, G, labels): (1/N) sum_i omega_i x_i y_i', with x scaled."""
        total = self.zeros(self.n_neurons, self.label_shares.numel())
        for rows in self.rows():
            block = self.block(rows)
            one_hot = torch.nn.functional.one_hot(self.targets[rows, None], self.n_labels)
            total += block.T @ self.weigh(one_hot, rows).flatten(1).to(block.dtype)
        return (total / self.n_words).view(-1, *self.label_shares.shape)


class ProbeData(Words):
    """Activations with one label per word, scaled block by block as they are read.

    Args:
        values: (words, neurons), float32 or float64; the solver's products have the same precision.
        codes: int64 (words,), the label of each word, from 0 to n_labels - 1; every label occurs.
        n_labels: number of labels.
        word_weights: float64 (words,), 0 or more; only their ratios matter. None if every word has weight one.
        standardize: True if the penalties, and the weights of the solution, are those of the scaled neurons.
        memory: where to keep tables with a row per word.
        rounding: relative rounding error of the values (core/constant.py); by default that of their precision.

    Attributes:
        mean: float64 (neurons,): means over the words, by weight.
        spread: float64 (neurons,): standard deviations, by weight; 0 for a constant neuron (core/constant.py).
            Without ``standardize`` also 0 where it is less than 1e-12 of the largest one: the penalties are
            then those of the activations themselves, and such a neuron would need a weight of 1e12.
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
        self.mean, self._deviations = self._moments()
        self._set_scale()

    def _set_scale(self) -> None:
        """Set spread, unit, and how blocks are scaled, from means and standard deviations."""
        negligible = 0.0 if self.standardize else LEAST_SPREAD * self._deviations.max(initial=0.0)
        self.spread = np.where(self._deviations <= negligible, 0.0, self._deviations)
        live = self.spread > 0.0
        inverse = np.divide(1.0, self.spread, out=np.zeros(self.n_neurons), where=live)
        self.unit = self.tensor(live if self.standardize else inverse, torch.float64)
        lift = self._exponent
        self._shift = self.tensor(np.ldexp(self.mean, lift), self.dtype)
        self._factor = self.tensor(np.ldexp(inverse, -lift), self.dtype)

    def _moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return means and standard deviations, merged over small blocks [Chan, Golub and LeVeque 1983].

        Each block is taken relative to its first word, so that a constant neuron's deviation is exactly zero.
        That of a neuron that is constant to rounding (core/constant.py) is set to zero. Neurons whose squares
        float32 cannot hold are first multiplied by a power of two.
        """
        extremes = self._extremes()
        self._exponent = np.zeros(self.n_neurons, dtype=np.int64)
        if self.dtype == torch.float32:
            self._exponent = exponents_of(extremes.sizes)
        if self._exponent.any():
            self._lift = self.tensor(np.ldexp(1.0, self._exponent), self.dtype)
        weight_before = 0.0
        mean, squares = self.zeros(2, self.n_neurons)
        for rows in self.rows(STATISTICS):
            block, omega = self._raw(rows), None if self.omega is None else self.omega[rows]
            weight = float(len(block) if omega is None else omega.sum(dtype=torch.float64))
            if weight == 0.0:
                continue
            sums, square_sums = self._deviation_sums(block, rows)
            mean_change = block[0].double() + sums / weight - mean
            block_squares = (square_sums - sums.square() / weight).clamp(min=0.0)
            mean += mean_change * (weight / (weight_before + weight))
            squares += block_squares + mean_change.square() * (
                weight_before * weight / (weight_before + weight)
            )
            weight_before += weight
        spread = np.ldexp((squares / max(weight_before, 1.0)).sqrt().cpu().numpy(), -self._exponent)
        spread = np.where(extremes.constant(self.rounding), 0.0, spread)
        return np.ldexp(mean.cpu().numpy(), -self._exponent), spread

    def _deviation_sums(self, block: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """Return weighted sums of a block's deviations from its first word, and of their squares, float64.

        They are taken from a strip of neurons at a time, which the processor's caches hold.
        """
        sums, square_sums = self.zeros(2, self.n_neurons)
        for first in range(0, self.n_neurons, STRIP):
            strip = slice(first, first + STRIP)
            deviations = block[:, strip] - block[0, strip]
            sums[strip] = self.weigh(deviations, rows).sum(0, dtype=torch.float64)
            square_sums[strip] = self.weigh(deviations.square_(), rows).sum(0, dtype=torch.float64)
        return sums, square_sums

    def _extremes(self) -> Extremes:
        """Return the least and greatest value of every neuron, over the words before scaling."""
        extremes = Extremes(self.n_neurons)
        for rows in self.rows():
            extremes.add(self._read(rows).cpu().numpy())
        return extremes

    def block(self, rows: slice | np.ndarray) -> Tensor:
        """Return scaled neurons of some words, (rows, neurons), by slice or index; 0 for a constant neuron."""
        return torch.sub(self._raw(rows), self._shift).mul_(self._factor)

    def selected(self, rows: slice, neurons: Tensor) -> Tensor:
        """Return some of the scaled neurons, by index, of some words, (rows, selected)."""
        if isinstance(self.values, np.ndarray):
            values = self.tensor(np.take(self.values[rows], neurons.cpu().numpy(), axis=1), self.dtype)
        else:
            values = self._read(rows).index_select(1, neurons)
        if self._lift is not None:
            values = values * self._lift[neurons]
        return torch.sub(values, self._shift[neurons]).mul_(self._factor[neurons])

    def _raw(self, rows: slice | np.ndarray) -> Tensor:
        """Return the values of some words, multiplied by the power of two of each neuron."""
        values = self._read(rows)
        return values if self._lift is None else values * self._lift

    def _read(self, rows: slice | np.ndarray) -> Tensor:
        """Return the values of some words as they were passed in, on the words' device."""
        if not isinstance(self.values, np.ndarray):
            return self.tensor(self.values[rows], self.dtype)
        if self.values.flags.writeable:
            return self.tensor(torch.from_numpy(self.values)[rows], self.dtype)
        return self.tensor(np.array(self.values[rows]), self.dtype)

    def reweigh(self, word_weights: np.ndarray) -> ProbeData:
        """Return the same words, centred and scaled as they are here, with weights (words,) or (words, G)."""
        reweighed = self.with_omega(self._ratios(word_weights))
        reweighed.word_weights = word_weights
        return reweighed

    def _ratios(self, word_weights: np.ndarray) -> Tensor:
        """Return the weights of the words divided by their mean."""
        weights = np.asarray(word_weights, dtype=np.float64)
        return self.tensor(weights / weights.mean(axis=0), self.dtype)

    def restrict(self, neurons: np.ndarray) -> ProbeData:
        """Return the same words with some of the neurons, by index."""
        table = self.memory.host_table(self.n_words, len(neurons), self.dtype)
        for rows in self.rows():
            values = self.values[rows]
            table[rows] = torch.from_numpy(np.take(np.asarray(values), neurons, axis=1))
        restricted = copy(self)
        restricted.__dict__.pop("label_products", None)
        restricted.values, restricted.n_neurons = values_of(table), len(neurons)
        restricted.kept = None if self.kept is None else self.kept[neurons]
        restricted.mean, restricted._deviations = self.mean[neurons], self._deviations[neurons]
        restricted._exponent = self._exponent[neurons]
        if self._lift is not None:
            restricted._lift = self._lift[self.tensor(neurons, torch.int64)]
        restricted._set_scale()
        return restricted

    def to_scaled(self, weights: np.ndarray) -> Tensor:
        """Return the weights of the scaled neurons for weights (neurons, ...) on the penalised scale."""
        factor = (self.spread > 0.0) * (1.0 if self.standardize else self.spread)
        return self.tensor(weights * _broadcast_first(factor, weights.ndim), self.dtype)

    def from_scaled(self, weights: Tensor) -> np.ndarray:
        """Return weights on the penalised scale, float64, for those of scaled neurons; 0 for a constant one."""
        values = weights.double().cpu().numpy()
        return values * _broadcast_first(self.unit.cpu().numpy(), values.ndim)


def _broadcast_first(values: np.ndarray, dimensions: int) -> np.ndarray:
    """Reshape values so that they broadcast along the first of several dimensions."""
    return values.reshape((-1,) + (1,) * (dimensions - 1))
