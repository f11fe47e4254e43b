"""The convex problem of the LCA probe: its data, and passes over them for a whole batch of penalties.

With z_i centred to x_i = z_i - mean (the bias is not penalised, so centring changes nothing but the bias),
P_i = softmax(theta x_i + b) and y_i one-hot, the objective [Dalvi19, with the mean instead of the sum] is

    J(theta, b) = -(1/N) sum_i log P_i[t_i] + lambda1 * sum |theta| + lambda2 * sum theta^2

and the gradient of its first term is (1/N) sum_i (P_i - y_i) x_i'.

**Shapes.** Weights of G penalties are one array (neurons, G, labels), biases (G, labels), so that one pass over
the words is one matrix product for the whole grid. Products run in the dtype of the data (float32 or float64);
what is summed over blocks of words is summed in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["DualCandidate", "Expectation", "Penalties", "ProbeData"]

BLOCK_BYTES = 16 * 2**20


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

    def take(self, kept: np.ndarray) -> Penalties:
        """Some of the penalties, by index or mask."""
        return Penalties(self.l1[kept], self.l2[kept])

    def absolute(self, weights: np.ndarray) -> np.ndarray:
        """float64 (G,): lambda1 * sum |theta|."""
        return self.l1 * np.abs(weights).sum(axis=(0, 2), dtype=np.float64)

    def squared(self, weights: np.ndarray) -> np.ndarray:
        """float64 (G,): lambda2 * sum theta^2."""
        return self.l2 * np.square(weights).sum(axis=(0, 2), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Expectation:
    """What one pass over the words gives for G probes.

    Attributes:
        loss: float64 (G,), mean cross-entropy in nats a word.
        products: float64 (neurons, G, labels), (1/N) sum_i P_i x_i'.
        shares: float64 (G, labels), (1/N) sum_i P_i.
    """

    loss: np.ndarray
    products: np.ndarray
    shares: np.ndarray


@dataclass(frozen=True, eq=False)
class DualCandidate:
    """Distributions pi_i = scale * (kept * P_i + (1 - kept.P_i) * rest) + (1 - scale) * y_i, for G probes.

    Attributes:
        scale: float64 (G,), from 0 to 1.
        kept: float64 (G, labels), from 0 to 1.
        rest: float64 (G, labels), a distribution, or zeros where ``kept`` is one everywhere.
    """

    scale: np.ndarray
    kept: np.ndarray
    rest: np.ndarray


@dataclass(frozen=True, eq=False)
class ProbeData:
    """Centred activations with one label a word.

    Attributes:
        centred: (words, neurons), float32 or float64, every column with mean zero.
        codes: int64 (words,), labels as 0..labels-1; every label occurs.
        n_labels: number of labels.
    """

    centred: np.ndarray
    codes: np.ndarray
    n_labels: int

    @property
    def n_words(self) -> int:
        """Number of words."""
        return self.centred.shape[0]

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.centred.shape[1]

    @cached_property
    def label_shares(self) -> np.ndarray:
        """float64 (labels,): share of the words that carry each label."""
        return np.bincount(self.codes, minlength=self.n_labels) / self.n_words

    @cached_property
    def still(self) -> np.ndarray:
        """bool (neurons,): the neurons that never change; their weights are zero."""
        return np.abs(self.centred).max(axis=0, initial=0.0) == 0.0

    @cached_property
    def label_products(self) -> np.ndarray:
        """float64 (neurons, labels): (1/N) sum_i y_i x_i'."""
        total = np.zeros((self.n_labels, self.n_neurons))
        for code in range(self.n_labels):
            total[code] = self.centred[self.codes == code].sum(axis=0, dtype=np.float64)
        return np.ascontiguousarray(total.T) / self.n_words

    @cached_property
    def gram(self) -> np.ndarray:
        """float64 (neurons, neurons): (1/N) X'X."""
        total = np.zeros((self.n_neurons, self.n_neurons))
        for start in range(0, self.n_words, 8192):
            block = self.centred[start : start + 8192]
            total += block.T @ block
        return total / self.n_words

    def expect(self, weights: np.ndarray, biases: np.ndarray) -> Expectation:
        """One pass over the words; weights (neurons, G, labels), biases (G, labels)."""
        grid = weights.shape[1]
        loss = np.zeros(grid)
        products = np.zeros((self.n_neurons, grid * self.n_labels))
        shares = np.zeros((grid, self.n_labels))
        for rows, probabilities, block_loss in self._probabilities(weights, biases):
            loss += block_loss
            shares += probabilities.sum(axis=0, dtype=np.float64)
            products += self.centred[rows].T @ probabilities.reshape(len(probabilities), -1)
        products /= self.n_words
        return Expectation(
            loss / self.n_words,
            products.reshape(self.n_neurons, grid, self.n_labels),
            shares / self.n_words,
        )

    def loss(self, weights: np.ndarray, biases: np.ndarray) -> np.ndarray:
        """float64 (G,): mean cross-entropy in nats a word."""
        total = np.zeros(weights.shape[1])
        for _, _, block_loss in self._probabilities(weights, biases):
            total += block_loss
        return total / self.n_words

    def entropy(self, weights: np.ndarray, biases: np.ndarray, dual: DualCandidate) -> np.ndarray:
        """float64 (G,): mean entropy, in nats a word, of the distributions that ``dual`` makes of P."""
        total = np.zeros(weights.shape[1])
        kept, rest = (part.astype(self.centred.dtype) for part in (dual.kept, dual.rest))
        scale = dual.scale.astype(self.centred.dtype)
        tiny = np.finfo(self.centred.dtype).tiny
        for rows, mixed, _ in self._probabilities(weights, biases):
            taken = np.einsum("igl,gl->ig", mixed, 1.0 - kept)
            mixed *= kept
            mixed += taken[:, :, None] * rest
            mixed *= scale[:, None]
            mixed[np.arange(len(mixed)), :, self.codes[rows]] += 1.0 - scale
            logs = np.log(np.maximum(mixed, tiny))
            logs *= mixed
            total -= logs.sum(axis=(0, 2), dtype=np.float64)
        return total / self.n_words

    def _probabilities(
        self, weights: np.ndarray, biases: np.ndarray
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Blocks of (rows, P of shape (rows, G, labels), summed loss (G,))."""
        grid = weights.shape[1]
        dtype = self.centred.dtype
        flat = np.ascontiguousarray(weights.reshape(self.n_neurons, -1), dtype=dtype)
        shift = biases.astype(dtype)
        step = max(64, BLOCK_BYTES // (dtype.itemsize * grid * self.n_labels))
        for start in range(0, self.n_words, step):
            rows = slice(start, min(start + step, self.n_words))
            logits = (self.centred[rows] @ flat).reshape(-1, grid, self.n_labels)
            logits += shift
            logits -= logits.max(axis=2, keepdims=True)
            own = logits[np.arange(len(logits)), :, self.codes[rows]]
            np.exp(logits, out=logits)
            totals = logits.sum(axis=2)
            loss = (np.log(totals) - own).sum(axis=0, dtype=np.float64)
            logits /= totals[:, :, None]
            yield rows, logits, loss
