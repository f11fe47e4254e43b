"""Means, deviations and products of the neurons of several models, over words that come in blocks.

A block is centred at its own means before it is multiplied, so no digits are lost where a mean is large
relative to the deviation. The differences between the means of blocks are added at the end of a shard, and
shards are merged in the same way [Chan, Golub, LeVeque 1983, *Algorithms for computing the sample variance*].
Products are summed in the requested precision inside a shard, and in float64 across shards. In single
precision, neurons with very large or very small values are first multiplied by powers of two, so that their
squares neither underflow nor overflow; the factors are divided out of the merged sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from onegrain.core.constant import constant_neurons

__all__ = ["CrossMoments", "NeuronMoments", "Product", "spans_of", "within"]

MERGE_BYTES = 2**20
"""Bytes merged at once; a copy of this size is needed where types differ."""


@dataclass(frozen=True)
class Product:
    """One matrix of products: some neurons of one model by some neurons of another model, or of the same.

    Attributes:
        left: number of the model whose neurons are the rows.
        left_neurons: range of its neurons.
        right: number of the model whose neurons are the columns.
        right_neurons: range of its neurons.
    """

    left: int
    left_neurons: slice
    right: int
    right_neurons: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        left, right = self.left_neurons, self.right_neurons
        return left.stop - left.start, right.stop - right.start


@dataclass(eq=False)
class NeuronMoments:
    """Mean, deviation and range of each neuron in a range of one model's neurons.

    Attributes:
        neurons: range of the model's neurons.
        mean: float64 (neurons,).
        squares: float64 (neurons,), sums of squared deviations from the mean.
        least: float64 (neurons,), the least value.
        greatest: float64 (neurons,), the greatest value.
        exponent: int64 (neurons,), the powers of two by which the neurons are multiplied in products that were
            summed in single precision; 0 in merged products, and for neurons of ordinary size.
        rounding: relative rounding of the values (see core/constant.py).
    """

    neurons: slice
    mean: Float64[np.ndarray, " neurons"]
    squares: Float64[np.ndarray, " neurons"]
    least: Float64[np.ndarray, " neurons"]
    greatest: Float64[np.ndarray, " neurons"]
    exponent: Int64[np.ndarray, " neurons"]
    rounding: float

    @property
    def constant(self) -> Bool[np.ndarray, " neurons"]:
        """True for neurons that do not change by more than rounding."""
        return constant_neurons(self.least, self.greatest, self.rounding)

    def restrict(self, neurons: slice) -> NeuronMoments:
        """Return the moments of a narrower range of neurons."""
        part = within(neurons, self.neurons)
        return NeuronMoments(
            neurons,
            self.mean[part],
            self.squares[part],
            self.least[part],
            self.greatest[part],
            self.exponent[part],
            self.rounding,
        )

    @classmethod
    def joined(cls, parts: Sequence[NeuronMoments]) -> NeuronMoments:
        """Return the moments of neighbouring ranges of neurons as one."""
        return cls(
            slice(parts[0].neurons.start, parts[-1].neurons.stop),
            np.concatenate([part.mean for part in parts]),
            np.concatenate([part.squares for part in parts]),
            np.concatenate([part.least for part in parts]),
            np.concatenate([part.greatest for part in parts]),
            np.concatenate([part.exponent for part in parts]),
            parts[0].rounding,
        )


@dataclass(eq=False)
class CrossMoments:
    """Sums over some words, into which the sums over other words can be merged.

    Attributes:
        words: number of words.
        by_model: moments of the neurons of each model.
        products: the requested matrices, each with its sums of products of deviations, a tensor
            (left neurons, right neurons).
    """

    words: int
    by_model: list[NeuronMoments]
    products: list[tuple[Product, Tensor]]

    def widen(self) -> None:
        """Convert the products to float64 and divide the powers of two out of them, as in merged products."""
        for index, (product, sums) in enumerate(self.products):
            wide = sums.double()
            left, right = self._factors(product, wide.device)
            if left is not None and right is not None:
                wide.mul_(left[:, None]).mul_(right)
            self.products[index] = product, wide
        for neurons in self.by_model:
            neurons.exponent = np.zeros_like(neurons.exponent)

    def merge(self, other: CrossMoments) -> None:
        """Merge the sums over other words into these, in place; the products become float64.

        S = S_n + S_m + (n m / (n + m)) d_x d_y' with d the differences of the means.
        """
        if not other.words:
            return
        if not self.words:
            self.words, self.by_model, self.products = other.words, other.by_model, other.products
            return
        total = self.words + other.words
        weight = self.words * other.words / total
        differences = [new.mean - old.mean for old, new in zip(self.by_model, other.by_model, strict=True)]
        self.widen()
        for (product, sums), (_, new_sums) in zip(self.products, other.products, strict=True):
            left, right = (
                torch.from_numpy(differences[model][within(neurons, self.by_model[model].neurons)]).to(
                    sums.device
                )
                for model, neurons in (
                    (product.left, product.left_neurons),
                    (product.right, product.right_neurons),
                )
            )
            step = max(1, MERGE_BYTES // (8 * max(1, len(right))))
            scales = other._factors(product, sums.device)
            for start in range(0, len(left), step):
                rows = slice(start, start + step)
                added = new_sums[rows]
                if scales[0] is not None and scales[1] is not None:
                    added = added.double().mul_(scales[0][rows, None]).mul_(scales[1])
                sums[rows].add_(added).addr_(left[rows], right, alpha=weight)
        for mine, theirs, difference in zip(self.by_model, other.by_model, differences, strict=True):
            mine.mean = mine.mean + difference * (other.words / total)
            mine.squares = mine.squares + theirs.squares + weight * difference**2
            mine.least = np.minimum(mine.least, theirs.least)
            mine.greatest = np.maximum(mine.greatest, theirs.greatest)
        self.words = total

    def _factors(self, product: Product, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
        """Return factors that undo the scaling of a product's rows and columns; None if nothing is scaled."""
        exponents = [
            self.by_model[model].exponent[within(neurons, self.by_model[model].neurons)]
            for model, neurons in (
                (product.left, product.left_neurons),
                (product.right, product.right_neurons),
            )
        ]
        if not any(exponent.any() for exponent in exponents):
            return None, None
        left, right = (torch.from_numpy(np.ldexp(1.0, -exponent)).to(device) for exponent in exponents)
        return left, right


def within(neurons: slice, span: slice) -> slice:
    """Return the position of a range of neurons inside a span that contains it."""
    return slice(neurons.start - span.start, neurons.stop - span.start)


def spans_of(models: int, products: Sequence[Product]) -> list[slice]:
    """Return the span of neurons to read of each model: from the first to the last that is in a product."""
    return [_span(number, products) for number in range(models)]


def _span(number: int, products: Sequence[Product]) -> slice:
    ranges = [p.left_neurons for p in products if p.left == number]
    ranges += [p.right_neurons for p in products if p.right == number]
    if not ranges:
        return slice(0, 0)
    return slice(min(neurons.start for neurons in ranges), max(neurons.stop for neurons in ranges))
