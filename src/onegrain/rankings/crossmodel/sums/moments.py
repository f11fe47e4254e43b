"""Means, deviations and products of the neurons of several models, over words that come in blocks.

A block is centred at its own means before it is multiplied, so that a mean that is large beside the deviation
costs no digits; what the blocks' means differ by is added at the end of a shard, and shards merge alike
[Chan, Golub, LeVeque 1983, *Algorithms for computing the sample variance*]. Inside a shard products are summed
in the precision that was asked for, across shards in float64. Where that is single precision, neurons whose
values are very large or very small are multiplied by powers of two first, so that their squares are neither 0
nor infinite; what comes out is of the neurons as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from onegrain.core.constant import constant_neurons

__all__ = ["Moments", "Product", "Side", "spans_of", "within"]

MERGE_BYTES = 2**20
"""Of what is merged at once: where types differ, a copy is made of it."""


@dataclass(frozen=True)
class Product:
    """One matrix of products: some neurons of one model by some of another, or of the same.

    Attributes:
        left: number of the model whose neurons are the rows.
        left_neurons: which of its neurons.
        right: number of the model whose neurons are the columns.
        right_neurons: which of its neurons.
    """

    left: int
    left_neurons: slice
    right: int
    right_neurons: slice

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        left, right = self.left_neurons, self.right_neurons
        return left.stop - left.start, right.stop - right.start


@dataclass(eq=False)
class Side:
    """What is known of each neuron of one model, over the words seen.

    Attributes:
        neurons: which of its neurons.
        mean: float64 (neurons,).
        squares: float64 (neurons,), sums of squared deviations from the mean.
        least: float64 (neurons,), the least value.
        greatest: float64 (neurons,), the greatest.
        exponent: int64 (neurons,), the powers of two by which the neurons are multiplied in products that were
            summed in single precision; 0 in merged ones, and for neurons of ordinary size.
        rounding: of the values, relative (constant.py of core).
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
        """The neurons that do not change by more than rounding."""
        return constant_neurons(self.least, self.greatest, self.rounding)

    def at(self, neurons: slice) -> Side:
        """The same of some of the neurons."""
        part = within(neurons, self.neurons)
        return Side(
            neurons,
            self.mean[part],
            self.squares[part],
            self.least[part],
            self.greatest[part],
            self.exponent[part],
            self.rounding,
        )

    @classmethod
    def joined(cls, sides: Sequence[Side]) -> Side:
        """Of neighbouring ranges of neurons, that of them all."""
        return cls(
            slice(sides[0].neurons.start, sides[-1].neurons.stop),
            np.concatenate([side.mean for side in sides]),
            np.concatenate([side.squares for side in sides]),
            np.concatenate([side.least for side in sides]),
            np.concatenate([side.greatest for side in sides]),
            np.concatenate([side.exponent for side in sides]),
            sides[0].rounding,
        )


@dataclass(eq=False)
class Moments:
    """Sums over some words; those of other words can be merged into them.

    Attributes:
        words: how many.
        sides: one a model.
        products: the matrices that were asked for, and their sums of products of deviations: tensors
            (left neurons, right neurons).
    """

    words: int
    sides: list[Side]
    products: list[tuple[Product, Tensor]]

    def widen(self) -> None:
        """Hold the products in float64, of neurons as they are, as merged ones are."""
        for at, (product, sums) in enumerate(self.products):
            wide = sums.double()
            left, right = self._factors(product, wide.device)
            if left is not None and right is not None:
                wide.mul_(left[:, None]).mul_(right)
            self.products[at] = product, wide
        for side in self.sides:
            side.exponent = np.zeros_like(side.exponent)

    def merge(self, other: Moments) -> None:
        """Take in the sums over other words; the products are float64 from then on.

        S = S_n + S_m + (n m / (n + m)) d_x d_y' with d the differences of the means.
        """
        if not other.words:
            return
        if not self.words:
            self.words, self.sides, self.products = other.words, other.sides, other.products
            return
        total = self.words + other.words
        weight = self.words * other.words / total
        apart = [theirs.mean - own.mean for own, theirs in zip(self.sides, other.sides, strict=True)]
        self.widen()
        for (product, own), (_, theirs) in zip(self.products, other.products, strict=True):
            left, right = (
                torch.from_numpy(apart[model][within(neurons, self.sides[model].neurons)]).to(own.device)
                for model, neurons in (
                    (product.left, product.left_neurons),
                    (product.right, product.right_neurons),
                )
            )
            step = max(1, MERGE_BYTES // (8 * max(1, len(right))))
            scales = other._factors(product, own.device)
            for at in range(0, len(left), step):
                rows = slice(at, at + step)
                more = theirs[rows]
                if scales[0] is not None and scales[1] is not None:
                    more = more.double().mul_(scales[0][rows, None]).mul_(scales[1])
                own[rows].add_(more).addr_(left[rows], right, alpha=weight)
        for side, another, d in zip(self.sides, other.sides, apart, strict=True):
            side.mean = side.mean + d * (other.words / total)
            side.squares = side.squares + another.squares + weight * d**2
            side.least = np.minimum(side.least, another.least)
            side.greatest = np.maximum(side.greatest, another.greatest)
        self.words = total

    def _factors(self, product: Product, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
        """What the rows and columns of a product are to be multiplied by; None where all are as they are."""
        exponents = [
            self.sides[model].exponent[within(neurons, self.sides[model].neurons)]
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
    """Where neurons are among those of a span that holds them."""
    return slice(neurons.start - span.start, neurons.stop - span.start)


def spans_of(models: int, products: Sequence[Product]) -> list[slice]:
    """Of each model the neurons that are read: from the first to the last that is in a product."""
    return [_span(number, products) for number in range(models)]


def _span(number: int, products: Sequence[Product]) -> slice:
    asked = [p.left_neurons for p in products if p.left == number]
    asked += [p.right_neurons for p in products if p.right == number]
    if not asked:
        return slice(0, 0)
    return slice(min(one.start for one in asked), max(one.stop for one in asked))
