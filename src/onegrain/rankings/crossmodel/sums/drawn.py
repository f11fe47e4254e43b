"""Sums over draws of the sentences: the products of several draws from one pass over the words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import psutil
import torch
from jaxtyping import Int64
from torch import Tensor

from onegrain.rankings.crossmodel.sums.moments import CrossMoments, NeuronMoments, Product, spans_of, within
from onegrain.rankings.crossmodel.sums.passes import ROOM, Passes
from onegrain.rankings.data.blocks import BLOCK_ROWS, read_blocks

__all__ = ["drawn_sums", "groups_of_draws", "moments_of_all", "standard"]


def moments_of_all(passes: Passes) -> list[NeuronMoments]:
    """Return the moments of all neurons of every model over all words that count, from one pass."""
    widths = [model.n_neurons for model in passes.models]
    products = [
        Product(number, slice(0, width), other, slice(0, 1))
        for number, width in enumerate(widths)
        for other in ([1] if number == 0 else [0])
    ]
    return passes.sums(products, dtype=torch.float64, what="moments").by_model


def groups_of_draws(
    passes: Passes, products: Sequence[Product], draws: int, dtype: torch.dtype = torch.float32
) -> list[slice]:
    """Return groups of draws whose products fit in memory together; each group is one pass over the words.

    Args:
        passes: the passes; their memory budget, or 1 GiB without one, holds the products of a group.
        products: the matrices to sum for every draw.
        draws: number of draws.
        dtype: type of the sums.
    """
    size = sum(product.shape[0] * product.shape[1] for product in products) * dtype.itemsize
    room = ROOM
    if passes.memory is not None:
        widths = [span.stop - span.start for span in spans_of(len(passes.models), products)]
        blocks = BLOCK_ROWS * sum(widths) * (8 + 3 * dtype.itemsize)
        room = passes.memory - psutil.Process().memory_info().rss - blocks
    step = min(draws, max(1, room // max(1, size) - 1))  # all words are one more draw
    step = -(-draws // -(-draws // step))  # groups of equal size
    return [slice(start, min(start + step, draws)) for start in range(0, draws, step)]


def drawn_sums(
    passes: Passes,
    products: Sequence[Product],
    often: Int64[np.ndarray, "draws words"],
    known: Sequence[NeuronMoments],
    dtype: torch.dtype = torch.float32,
) -> list[CrossMoments]:
    """Return the sums over the words of every draw, from one pass.

    Values are first standardised by the moments of all words, so products and squares are in units of each
    neuron's deviation; correlations and R^2 do not depend on that. The least and greatest values are those of
    the neurons. A draw takes only the words that occur in it, and the products of the second half of a split
    are those of all words less those of the first half.

    Args:
        passes: the models, and the words that count.
        products: the matrices to sum.
        often: number of times that each word of the corpus occurs in each draw; used only where it counts.
        known: moments of all neurons of every model over all words.
        dtype: type of the products.
    """
    spans = spans_of(len(passes.models), products)
    first_of = _second_halves(often[:, passes.among])
    draws = [
        _Draw(() if number in first_of else products, spans, dtype, passes.device)
        for number in range(len(often))
    ]
    every_word = _Draw(products if first_of else (), spans, dtype, passes.device)
    scales = [
        standard(moments.restrict(span), passes.n_words, passes.device)
        for moments, span in zip(known, spans, strict=True)
    ]
    with passes.report("draws") as advance:
        for rows, blocks in read_blocks(passes.models, spans, (0, passes.models[0].n_words), passes.among):
            tables = [None if block is None else block.to(passes.device) for block in blocks]
            values = [
                None if table is None else ((table.double() - mean) * scale).to(dtype)
                for table, (mean, scale) in zip(tables, scales, strict=True)
            ]
            once = np.ones((1, len(rows)), dtype=np.int64)
            times_in = np.concatenate([often[:, rows], once]) if first_of else often[:, rows]
            for draw, times in zip([*draws, every_word], times_in, strict=False):
                chosen = np.flatnonzero(times)
                if len(chosen):
                    draw.add(
                        torch.from_numpy(chosen).to(passes.device),
                        torch.from_numpy(times[chosen]).to(passes.device),
                        tables,
                        values,
                    )
            advance(len(rows))
    for second, first in first_of.items():
        draws[second].complete(every_word, draws[first])
    return [draw.finish([moments.rounding for moments in known]) for draw in draws]


def _second_halves(often: Int64[np.ndarray, "draws words"]) -> dict[int, int]:
    """Return the number of each draw that has exactly the words that an earlier draw lacks, with that draw."""
    halves: dict[bytes, int] = {}
    first_of = {}
    for number, times in enumerate(often):
        if times.max(initial=0) <= 1:
            first = halves.get((1 - times).tobytes())
            if first is None:
                halves[times.tobytes()] = number
            else:
                first_of[number] = first
    return first_of


class _Draw:
    """Running sums of one draw."""

    def __init__(
        self, products: Sequence[Product], spans: Sequence[slice], dtype: torch.dtype, device: torch.device
    ) -> None:
        self._products, self._spans, self._words = products, spans, 0
        widths = [span.stop - span.start for span in spans]
        self._sums = [torch.zeros(product.shape, dtype=dtype, device=device) for product in products]
        self._totals = [torch.zeros(width, dtype=torch.float64, device=device) for width in widths]
        self._squares = [torch.zeros(width, dtype=torch.float64, device=device) for width in widths]
        self._least = [torch.full_like(total, torch.inf) for total in self._totals]
        self._greatest = [torch.full_like(total, -torch.inf) for total in self._totals]

    def add(
        self, chosen: Tensor, times: Tensor, tables: Sequence[Tensor | None], values: Sequence[Tensor | None]
    ) -> None:
        """Add the chosen rows of a block, each as often as ``times`` says."""
        self._words += int(times.sum())
        rows: list[Tensor | None] = []
        weighted: list[Tensor | None] = []
        for number, (table, value) in enumerate(zip(tables, values, strict=True)):
            if table is None or value is None:
                rows.append(None)
                weighted.append(None)
                continue
            raw, row = table[chosen], value[chosen]
            weight = row * times[:, None].to(row.dtype)
            self._totals[number] += weight.sum(dim=0, dtype=torch.float64)
            self._squares[number] += (weight * row).sum(dim=0, dtype=torch.float64)
            self._least[number] = torch.minimum(self._least[number], raw.amin(dim=0).double())
            self._greatest[number] = torch.maximum(self._greatest[number], raw.amax(dim=0).double())
            rows.append(row)
            weighted.append(weight)
        for product, total in zip(self._products, self._sums, strict=True):
            left, right = weighted[product.left], rows[product.right]
            assert left is not None, "a product with a model that was not read"
            assert right is not None, "a product with a model that was not read"
            total.addmm_(
                left[:, within(product.left_neurons, self._spans[product.left])].T,
                right[:, within(product.right_neurons, self._spans[product.right])],
            )

    def complete(self, every_word: _Draw, first: _Draw) -> None:
        """Set the products to those of all words less those of the first half, before either is finished."""
        self._products = every_word._products
        self._sums = [total - part for total, part in zip(every_word._sums, first._sums, strict=True)]

    def finish(self, roundings: Sequence[float]) -> CrossMoments:
        """Return the sums of deviations from the means of the draw."""
        for product, total in zip(self._products, self._sums, strict=True):
            left, right = (
                self._totals[model][within(neurons, self._spans[model])].to(total.dtype)
                for model, neurons in (
                    (product.left, product.left_neurons),
                    (product.right, product.right_neurons),
                )
            )
            total.addr_(left, right, alpha=-1.0 / self._words)
        by_model = [
            NeuronMoments(
                neurons=span,
                mean=(total / self._words).cpu().numpy(),
                squares=(squares - total.square() / self._words).clamp_min(0.0).cpu().numpy(),
                least=least.cpu().numpy(),
                greatest=greatest.cpu().numpy(),
                exponent=np.zeros(span.stop - span.start, dtype=np.int64),
                rounding=rounding,
            )
            for span, total, squares, least, greatest, rounding in zip(
                self._spans, self._totals, self._squares, self._least, self._greatest, roundings, strict=True
            )
        ]
        return CrossMoments(self._words, by_model, list(zip(self._products, self._sums, strict=True)))


def standard(known: NeuronMoments, n_words: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the means and the factors that standardise deviations (0 for a constant neuron), float64."""
    deviation = np.sqrt(known.squares)
    with np.errstate(divide="ignore"):
        scale = np.where(known.constant, 0.0, np.sqrt(n_words) / deviation)
    return torch.from_numpy(known.mean).to(device), torch.from_numpy(scale).to(device)
