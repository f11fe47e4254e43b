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

from onegrain.core.activations import Activations
from onegrain.rankings.blocks import read_blocks

__all__ = ["Moments", "Product", "Side", "moments_of", "spans_of", "within"]


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
            own.add_(theirs).addr_(left, right, alpha=weight)
        for side, more, d in zip(self.sides, other.sides, apart, strict=True):
            side.mean = side.mean + d * (other.words / total)
            side.squares = side.squares + more.squares + weight * d**2
            side.constant = side.constant & more.constant & (side.first == more.first)
        self.words = total


def within(neurons: slice, span: slice) -> slice:
    """Where neurons are among those of a span that holds them."""
    return slice(neurons.start - span.start, neurons.stop - span.start)


def moments_of(
    models: Sequence[Activations],
    products: Sequence[Product],
    words: tuple[int, int],
    among: np.ndarray,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> Moments:
    """The sums over a shard of words.

    Args:
        models: the activations, all on the same words.
        products: which matrices; a model in none of them is not read, and has an empty side.
        words: the shard, ``start:stop``.
        among: bool (words,), the words that count.
        dtype: float32 or float64, of the products inside the shard.
        device: where they are made; by default the CPU.

    Raises:
        ParameterError: an activation is not finite.
    """
    place = device or torch.device("cpu")
    spans = spans_of(len(models), products)
    sums = [torch.zeros(product.shape, dtype=dtype, device=place) for product in products]
    centres = [_Centre(span, dtype, place) for span in spans]
    counts: list[int] = []
    for rows, blocks in read_blocks(models, spans, words, among):
        counts.append(len(rows))
        centred: list[Tensor | None] = []
        for one, centre, block in zip(models, centres, blocks, strict=True):
            values = None if block is None else centre.centred(block)
            if values is not None and not bool(torch.isfinite(centre.means[-1]).all()):
                one.require_finite(one.values(int(rows[0]), int(rows[-1]) + 1), int(rows[0]), among)
            centred.append(values)
        for product, total in zip(products, sums, strict=True):
            left = _columns(centred[product.left], product.left_neurons, spans[product.left])
            right = _columns(centred[product.right], product.right_neurons, spans[product.right])
            total.addmm_(left.T, right)
    sizes = torch.tensor(counts, dtype=torch.float64, device=place)
    sides = [centre.side(sizes) for centre in centres]
    if counts:
        apart = [centre.apart(sizes) for centre in centres]
        for product, total in zip(products, sums, strict=True):
            left = _columns(apart[product.left], product.left_neurons, spans[product.left])
            right = _columns(apart[product.right], product.right_neurons, spans[product.right])
            total.addmm_(left.T.to(dtype), right.to(dtype))
    return Moments(sum(counts), sides, list(zip(products, sums, strict=True)))


def spans_of(models: int, products: Sequence[Product]) -> list[slice]:
    """Of each model the neurons that are read: from the first to the last that is in a product."""
    return [_span(number, products) for number in range(models)]


def _span(number: int, products: Sequence[Product]) -> slice:
    asked = [p.left_neurons for p in products if p.left == number]
    asked += [p.right_neurons for p in products if p.right == number]
    if not asked:
        return slice(0, 0)
    return slice(min(one.start for one in asked), max(one.stop for one in asked))


class _Centre:
    """Centres the blocks of one model in a shard, and knows what they were centred at.

    Deviations are taken from the means of the first block, as float32 has them, and then from the mean of what
    is left: the first difference is exact where a mean is large beside the deviation.
    """

    def __init__(self, span: slice, dtype: torch.dtype, device: torch.device) -> None:
        self._span = span
        self._dtype = dtype
        self._device = device
        self._near = self._first = torch.zeros(span.stop - span.start, dtype=dtype, device=device)
        self._still = torch.arange(span.stop - span.start, device=device)
        self._values = self._squares = torch.empty(0, span.stop - span.start, dtype=dtype, device=device)
        self._inside = torch.zeros(span.stop - span.start, dtype=torch.float64, device=device)
        self.means: list[Tensor] = []

    def centred(self, given: Tensor) -> Tensor:
        """The deviations of a block (words, neurons) from its means, good until the next is asked for."""
        block = given.to(device=self._device, dtype=self._dtype)
        if not self.means:
            self._near, self._first = block.mean(dim=0), block[0].clone()
        if len(self._values) < len(block):
            self._values, self._squares = torch.empty_like(block), torch.empty_like(block)
        values, squares = self._values[: len(block)], self._squares[: len(block)]
        torch.sub(block, self._near, out=values)
        left = values.mean(dim=0)
        values -= left
        torch.mul(values, values, out=squares)
        self._inside += squares.sum(dim=0)
        self.means.append(self._near.double() + left.double())
        if len(self._still):
            self._still = self._still[(block[:, self._still] == self._first[self._still]).all(dim=0)]
        return values

    def apart(self, sizes: Tensor) -> Tensor:
        """float64 (blocks, neurons): the blocks' means from that of all, times the roots of their sizes."""
        stacked = torch.stack(self.means) if self.means else torch.zeros(len(sizes), 0, dtype=torch.float64)
        return (stacked - sizes @ stacked / sizes.sum()) * sizes.sqrt()[:, None]

    def side(self, sizes: Tensor) -> Side:
        """What is known of the neurons after all blocks, of so many words each."""
        mean, inside = torch.zeros_like(self._inside), self._inside
        if self.means:
            mean = sizes @ torch.stack(self.means) / sizes.sum()
            inside = inside + self.apart(sizes).square().sum(dim=0)
        constant = torch.zeros(len(mean), dtype=torch.bool, device=self._device)
        constant[self._still] = True
        held = (mean, inside, constant, self._first)
        return Side(self._span, *(one.cpu().numpy() for one in held))


def _columns(values: Tensor | None, neurons: slice, span: slice) -> Tensor:
    assert values is not None, "a product of a model that was not read"
    return values[:, within(neurons, span)]
