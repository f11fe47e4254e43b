"""The sums of one shard of words after another, in the same memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from onegrain.core.activations import Activations
from onegrain.rankings.blocks import Blocks
from onegrain.rankings.crossmodel.moments import Moments, Product, Side, spans_of, within

__all__ = ["Summing"]


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
        centres = [_Centre(span, room, self._spare) for span, room in zip(self._spans, self._room, strict=True)]
        counts: list[int] = []
        for rows, blocks in self._blocks.over(words, self._among):
            counts.append(len(rows))
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

    def _empty(self, width: int) -> Tensor:
        return torch.empty(self._blocks.rows * width, dtype=self._dtype, device=self._device)


class _Centre:
    """Centres the blocks of one model in a shard, and knows what they were centred at.

    Deviations are taken from the means of the first block, as float32 has them, and then from the mean of what
    is left: the first difference is exact where a mean is large beside the deviation.

    Args:
        span: the neurons of the blocks.
        room: (values,) of the deviations of a block.
        spare: likewise, for what is needed between two blocks only.
    """

    def __init__(self, span: slice, room: Tensor, spare: Tensor) -> None:
        width, device = span.stop - span.start, room.device
        self._span = span
        self._room = room
        self._spare = spare
        self._near = self._first = torch.zeros(width, dtype=room.dtype, device=device)
        self._still = torch.arange(width, device=device)
        self._inside = torch.zeros(width, dtype=torch.float64, device=device)
        self.means: list[Tensor] = []

    def centred(self, given: Tensor) -> Tensor:
        """The deviations of a block (words, neurons) from its means, good until the next is asked for."""
        values, squares = (room[: given.numel()].view(given.shape) for room in (self._room, self._spare))
        alike = given.dtype == values.dtype and given.device == values.device
        block = given if alike else values.copy_(given)
        if not self.means:
            self._near, self._first = block.mean(dim=0), block[0].clone()
        for rows in (block[-1:], block):  # most have changed by the last word
            if len(self._still):
                same = rows[:, self._still] == self._first[self._still]
                self._still = self._still[same.all(dim=0)]
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
        constant = torch.zeros(len(mean), dtype=torch.bool, device=mean.device)
        constant[self._still] = True
        held = (mean, inside, constant, self._first)
        return Side(self._span, *(one.cpu().numpy() for one in held))


def _columns(values: Tensor | None, neurons: slice, span: slice) -> Tensor:
    assert values is not None, "a product of a model that was not read"
    return values[:, within(neurons, span)]
