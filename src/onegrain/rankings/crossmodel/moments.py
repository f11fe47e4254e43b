"""Means, deviations and products of the neurons of several models, over words that come in blocks.

A block is centred at its own means before it is multiplied, so that a mean that is large beside the deviation
costs no digits; what the blocks' means differ by is added at the end of a shard, and shards merge alike
[Chan, Golub, LeVeque 1983, *Algorithms for computing the sample variance*]. Inside a shard products are summed
in the precision that was asked for, across shards in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

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
        constant: bool (neurons,), those that never change.
        first: (neurons,), what they were at the first word.
    """

    neurons: slice
    mean: Float64[np.ndarray, " neurons"]
    squares: Float64[np.ndarray, " neurons"]
    constant: Bool[np.ndarray, " neurons"]
    first: np.ndarray

    def at(self, neurons: slice) -> Side:
        """The same of some of the neurons."""
        part = within(neurons, self.neurons)
        held = (self.mean, self.squares, self.constant, self.first)
        return Side(neurons, *(values[part] for values in held))

    @classmethod
    def joined(cls, sides: Sequence[Side]) -> Side:
        """Of neighbouring ranges of neurons, that of them all."""
        held = [(side.mean, side.squares, side.constant, side.first) for side in sides]
        neurons = slice(sides[0].neurons.start, sides[-1].neurons.stop)
        return cls(neurons, *(np.concatenate(values) for values in zip(*held, strict=True)))


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
        """Hold the products in float64, as merged ones are."""
        for at, (product, sums) in enumerate(self.products):
            self.products[at] = product, sums.double()

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
            for at in range(0, len(left), step):
                rows = slice(at, at + step)
                own[rows].add_(theirs[rows]).addr_(left[rows], right, alpha=weight)
        for side, more, d in zip(self.sides, other.sides, apart, strict=True):
            side.mean = side.mean + d * (other.words / total)
            side.squares = side.squares + more.squares + weight * d**2
            side.constant = side.constant & more.constant & (side.first == more.first)
        self.words = total


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
