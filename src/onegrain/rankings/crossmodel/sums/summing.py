"""The sums of one shard of words after another, in the same memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from onegrain.core.constant import ORDINARY, exponents_of, rounding_of
from onegrain.rankings.crossmodel.sums.moments import Moments, Product, Side, spans_of, within
from onegrain.rankings.data.blocks import Blocks
from onegrain.records.activations import Activations

__all__ = ["Summing"]

SMALL, LARGE = 2.0**-ORDINARY, 2.0 ** (ORDINARY + 1)
"""The largest values of neurons whose sums float32 holds as they are."""


class Summing:
    """Sums shards of words; what a shard's blocks are read into and centred in serves the next shard too.

    Args:
        models: the activations, all on the same words.
        products: which matrices; a model in none of them is not read, and has an empty side.
        among: bool (words,), the words that count.
        dtype: float32 or float64, of the products inside a shard.
        device: where they are made; by default the CPU.
    """

    def __init__(
        self,
        models: Sequence[Activations],
        products: Sequence[Product],
        among: Bool[np.ndarray, " words"],
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self._models = tuple(models)
        self._products = tuple(products)
        self._among = among
        self._dtype = dtype
        self._device = device or torch.device("cpu")
        self._spans = spans_of(len(models), products)
        self._blocks = Blocks(models, self._spans)
        widths = [span.stop - span.start for span in self._spans]
        self._room = [self._empty(width) for width in widths]
        self._spare = self._empty(max(widths))

    def over(self, words: tuple[int, int]) -> Moments:
        """The sums over the words ``start:stop``.

        Raises:
            ParameterError: an activation is not finite.
        """
        sums = [torch.zeros(one.shape, dtype=self._dtype, device=self._device) for one in self._products]
        centres = [
            _Centre(span, room, self._spare, rounding_of(one.array))
            for one, span, room in zip(self._models, self._spans, self._room, strict=True)
        ]
        counts: list[int] = []
        for rows, blocks in self._blocks.over(words, self._among):
            counts.append(len(rows))
            self._rescale(sums, [None if b is None else c.fit(b) for b, c in zip(blocks, centres, strict=True)])
            centred: list[Tensor | None] = []
            for one, centre, block in zip(self._models, centres, blocks, strict=True):
                values = None if block is None else centre.centred(block)
                if values is not None and not bool(torch.isfinite(centre.means[-1]).all()):
                    given = one.values(int(rows[0]), int(rows[-1]) + 1)
                    one.require_finite(given, int(rows[0]), self._among)
                centred.append(values)
            self._add(sums, centred)
        sizes = torch.tensor(counts, dtype=torch.float64, device=self._device)
        sides = [centre.side(sizes) for centre in centres]
        if counts:
            self._add(sums, [centre.apart(sizes) for centre in centres])
        return Moments(sum(counts), sides, list(zip(self._products, sums, strict=True)))

    def _add(self, sums: Sequence[Tensor], tables: Sequence[Tensor | None]) -> None:
        """Add to each sum the product of two tables (words, neurons of a span)."""
        for product, total in zip(self._products, sums, strict=True):
            left = _columns(tables[product.left], product.left_neurons, self._spans[product.left])
            right = _columns(tables[product.right], product.right_neurons, self._spans[product.right])
            total.addmm_(left.T.to(self._dtype), right.to(self._dtype))

    def _rescale(self, sums: Sequence[Tensor], changes: Sequence[Tensor | None]) -> None:
        """Multiply the sums by the factors (neurons of a span) by which models' scales have changed."""
        for product, total in zip(self._products, sums, strict=True):
            left, right = changes[product.left], changes[product.right]
            if left is not None:
                total.mul_(left[within(product.left_neurons, self._spans[product.left])][:, None])
            if right is not None:
                total.mul_(right[within(product.right_neurons, self._spans[product.right])])

    def _empty(self, width: int) -> Tensor:
        return torch.empty(self._blocks.rows * width, dtype=self._dtype, device=self._device)


class _Centre:
    """Centres the blocks of one model in a shard, and knows what they were centred at.

    Deviations are taken from the means of the first block, as float32 has them, and then from the mean of what
    is left: the first difference is exact where a mean is large beside the deviation. In float32, neurons of
    extreme size are multiplied by a power of two first (``fit``).

    Args:
        span: the neurons of the blocks.
        room: (values,) of the deviations of a block.
        spare: likewise, for what is needed between two blocks only.
        rounding: of the values, relative.
    """

    def __init__(self, span: slice, room: Tensor, spare: Tensor, rounding: float) -> None:
        width, device = span.stop - span.start, room.device
        self._span = span
        self._room = room
        self._spare = spare
        self._rounding = rounding
        self._near = torch.zeros(width, dtype=room.dtype, device=device)
        self._inside = torch.zeros(width, dtype=torch.float64, device=device)
        self._least = torch.full((width,), torch.inf, dtype=torch.float64, device=device)
        self._greatest = torch.full((width,), -torch.inf, dtype=torch.float64, device=device)
        self._exponent = np.zeros(width, dtype=np.int64)
        self._factor: Tensor | None = None
        self.means: list[Tensor] = []

    def fit(self, given: Tensor) -> Tensor | None:
        """Look at a block before it is centred, and choose the powers of two that its neurons need.

        Returns:
            What the sums so far, of the neurons as they were scaled, must be multiplied by; None for nothing.
        """
        block = given.to(self._room.device)
        self._least = torch.minimum(self._least, block.amin(dim=0).double())
        self._greatest = torch.maximum(self._greatest, block.amax(dim=0).double())
        if self._room.dtype != torch.float32:
            return None
        sizes = torch.maximum(-self._least, self._greatest)
        if self._factor is None and bool(((sizes >= SMALL) & (sizes <= LARGE) | (sizes == 0.0)).all()):
            return None
        return self._scale(sizes.cpu().numpy())

    def _scale(self, sizes: np.ndarray) -> Tensor | None:
        scaled = np.ldexp(sizes, self._exponent)
        outside = (scaled < SMALL) | (scaled > LARGE)
        wanted = np.where(outside, exponents_of(sizes), self._exponent)
        if (wanted == self._exponent).all():
            return None
        device = self._room.device
        change = torch.from_numpy(np.ldexp(1.0, wanted - self._exponent)).to(device)
        self._exponent = wanted
        self._factor = torch.from_numpy(np.ldexp(1.0, wanted)).to(device, self._room.dtype)
        self.means = [mean * change for mean in self.means]
        self._inside = self._inside * change.square()
        self._near = (self._near * change).to(self._room.dtype)
        return change.to(self._room.dtype)

    def centred(self, given: Tensor) -> Tensor:
        """The deviations of a block (words, neurons) from its means, good until the next is asked for."""
        values, squares = (room[: given.numel()].view(given.shape) for room in (self._room, self._spare))
        alike = given.dtype == values.dtype and given.device == values.device
        block = given if alike else values.copy_(given)
        if self._factor is not None:
            block = torch.mul(block, self._factor, out=values)
        if not self.means:
            self._near = block.mean(dim=0)
        torch.sub(block, self._near, out=values)
        left = values.mean(dim=0)
        values -= left
        torch.mul(values, values, out=squares)
        self._inside += squares.sum(dim=0)
        self.means.append(self._near.double() + left.double())
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
        return Side(
            neurons=self._span,
            mean=np.ldexp(mean.cpu().numpy(), -self._exponent),
            squares=np.ldexp(inside.cpu().numpy(), -2 * self._exponent),
            least=self._least.cpu().numpy(),
            greatest=self._greatest.cpu().numpy(),
            exponent=self._exponent,
            rounding=self._rounding,
        )


def _columns(values: Tensor | None, neurons: slice, span: slice) -> Tensor:
    assert values is not None, "a product of a model that was not read"
    return values[:, within(neurons, span)]
