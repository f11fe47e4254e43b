"""Sums over shards of words, one after another, in the same working memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from onegrain.core.constant import ORDINARY, exponents_of, rounding_of
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, NeuronMoments, Product, spans_of, within
from onegrain.rankings.data.blocks import Blocks
from onegrain.records.activations import Activations

__all__ = ["Summing"]

SMALL, LARGE = 2.0**-ORDINARY, 2.0 ** (ORDINARY + 1)
"""Neurons whose largest absolute value lies between these need no scaling in float32."""


class Summing:
    """A summer of shards of words, which reuses its working memory from shard to shard.

    Args:
        models: the activations, all on the same words.
        products: the matrices to sum. A model in none of them is not read, and its moments are empty.
        among: bool (words,), the words that count.
        dtype: float32 or float64, the type of the products inside a shard.
        device: where to multiply; the CPU by default.
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
        self._memory = [self._empty(width) for width in widths]
        self._scratch = self._empty(max(widths))

    def over(self, words: tuple[int, int]) -> CrossMoments:
        """Return the sums over the words ``start:stop``.

        Raises:
            ParameterError: an activation is not finite.
        """
        sums = [
            torch.zeros(product.shape, dtype=self._dtype, device=self._device) for product in self._products
        ]
        centres = [
            _Centre(span, memory, self._scratch, rounding_of(model.array))
            for model, span, memory in zip(self._models, self._spans, self._memory, strict=True)
        ]
        counts: list[int] = []
        for rows, blocks in self._blocks.over(words, self._among):
            counts.append(len(rows))
            factors = [None if b is None else c.fit(b) for b, c in zip(blocks, centres, strict=True)]
            self._rescale(sums, factors)
            centred: list[Tensor | None] = []
            for model, centre, block in zip(self._models, centres, blocks, strict=True):
                values = None if block is None else centre.centred(block)
                if values is not None and not bool(torch.isfinite(centre.means[-1]).all()):
                    unchecked = model.values(int(rows[0]), int(rows[-1]) + 1)
                    model.require_finite(unchecked, int(rows[0]), self._among)
                centred.append(values)
            self._add(sums, centred)
        sizes = torch.tensor(counts, dtype=torch.float64).to(self._device)
        by_model = [centre.moments(sizes) for centre in centres]
        if counts:
            self._add(sums, [centre.between_blocks(sizes) for centre in centres])
        return CrossMoments(sum(counts), by_model, list(zip(self._products, sums, strict=True)))

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
    """Centres the blocks of one model in a shard and keeps the means that it subtracted.

    Deviations are taken from the means of the first block, rounded to float32, and then from the mean of the
    remainder; the first difference is exact where a mean is large relative to the deviation. In float32,
    neurons of extreme size are first multiplied by a power of two (``fit``).

    Args:
        span: the neurons of the blocks.
        deviations: working memory for the deviations of a block, flat.
        scratch: working memory of at least that size, used only while a block is centred.
        rounding: relative rounding of the values.
    """

    def __init__(self, span: slice, deviations: Tensor, scratch: Tensor, rounding: float) -> None:
        width, device = span.stop - span.start, deviations.device
        self._span = span
        self._deviations = deviations
        self._scratch = scratch
        self._rounding = rounding
        self._origin = torch.zeros(width, dtype=deviations.dtype, device=device)
        self._squares = torch.zeros(width, dtype=torch.float64, device=device)
        self._least = torch.full((width,), torch.inf, dtype=torch.float64, device=device)
        self._greatest = torch.full((width,), -torch.inf, dtype=torch.float64, device=device)
        self._exponent = np.zeros(width, dtype=np.int64)
        self._factor: Tensor | None = None
        self.means: list[Tensor] = []

    def fit(self, values_read: Tensor) -> Tensor | None:
        """Update the powers of two for a block that is about to be centred.

        Returns:
            Factors (neurons,) by which the sums so far must be multiplied, or None if the powers are unchanged.
        """
        block = values_read.to(self._deviations.device)
        self._least = torch.minimum(self._least, block.amin(dim=0).double())
        self._greatest = torch.maximum(self._greatest, block.amax(dim=0).double())
        if self._deviations.dtype != torch.float32:
            return None
        sizes = torch.maximum(-self._least, self._greatest)
        if self._factor is None and bool(((sizes >= SMALL) & (sizes <= LARGE) | (sizes == 0.0)).all()):
            return None
        return self._scale(sizes.cpu().numpy())

    def _scale(self, sizes: np.ndarray) -> Tensor | None:
        """Rescale the means and squares so far to the largest absolute values; return the factors or None."""
        scaled = np.ldexp(sizes, self._exponent)
        outside = (scaled < SMALL) | (scaled > LARGE)
        wanted = np.where(outside, exponents_of(sizes), self._exponent)
        if (wanted == self._exponent).all():
            return None
        device = self._deviations.device
        change = torch.from_numpy(np.ldexp(1.0, wanted - self._exponent)).to(device)
        self._exponent = wanted
        self._factor = torch.from_numpy(np.ldexp(1.0, wanted)).to(device, self._deviations.dtype)
        self.means = [mean * change for mean in self.means]
        self._squares = self._squares * change.square()
        self._origin = (self._origin * change).to(self._deviations.dtype)
        return change.to(self._deviations.dtype)

    def centred(self, values_read: Tensor) -> Tensor:
        """Return the deviations of a block (words, neurons) from its means; the next call overwrites them."""
        values, squares = (
            memory[: values_read.numel()].view(values_read.shape)
            for memory in (self._deviations, self._scratch)
        )
        same_type = values_read.dtype == values.dtype and values_read.device == values.device
        block = values_read if same_type else values.copy_(values_read)
        if self._factor is not None:
            block = torch.mul(block, self._factor, out=values)
        if not self.means:
            self._origin = block.mean(dim=0)
        torch.sub(block, self._origin, out=values)
        remainder = values.mean(dim=0)
        values -= remainder
        torch.mul(values, values, out=squares)
        self._squares += squares.sum(dim=0)
        self.means.append(self._origin.double() + remainder.double())
        return values

    def between_blocks(self, sizes: Tensor) -> Tensor:
        """Return (block mean - overall mean) sqrt(block size), float64 (blocks, neurons)."""
        stacked = torch.stack(self.means) if self.means else sizes.new_zeros(len(sizes), 0)
        return (stacked - sizes @ stacked / sizes.sum()) * sizes.sqrt()[:, None]

    def moments(self, sizes: Tensor) -> NeuronMoments:
        """Return the moments of the neurons after all blocks; ``sizes`` are the words of each block."""
        mean, squares = torch.zeros_like(self._squares), self._squares
        if self.means:
            mean = sizes @ torch.stack(self.means) / sizes.sum()
            squares = squares + self.between_blocks(sizes).square().sum(dim=0)
        return NeuronMoments(
            neurons=self._span,
            mean=np.ldexp(mean.cpu().numpy(), -self._exponent),
            squares=np.ldexp(squares.cpu().numpy(), -2 * self._exponent),
            least=self._least.cpu().numpy(),
            greatest=self._greatest.cpu().numpy(),
            exponent=self._exponent,
            rounding=self._rounding,
        )


def _columns(values: Tensor | None, neurons: slice, span: slice) -> Tensor:
    assert values is not None, "a product with a model that was not read"
    return values[:, within(neurons, span)]
