"""Linear projections of the rows of several variants, without the products that an edit has made needless.

An input that has one value in all rows of a variant adds the same to all of them, so it is multiplied once. And
where two variants differ in a few inputs only, the second is the first plus the products of the differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TransposedWeights", "leaving_out_constants", "project_parts", "projection_of"]

LEAST_SHARE = 0.1
"""Inputs are left out if this share of them is constant; fewer are not worth the copy of the weights."""

MOST_GROWTH = 4.0
"""A variant is computed from another one only if the other's inputs are at most this many times as large, so
that rounding stays that of the variant itself."""


class TransposedWeights:
    """Weights with the inputs as their rows, so that those of some inputs lie side by side.

    A weight is transposed when it is first asked for.
    """

    def __init__(self) -> None:
        self._transposed: dict[int, tuple[Tensor, Tensor]] = {}
        self._chosen: dict[int, Tensor] = {}

    def of(self, weight: Tensor) -> Tensor:
        """Return (inputs, outputs), contiguous, for a weight (outputs, inputs)."""
        kept = self._transposed.get(id(weight))
        if kept is None:
            kept = self._transposed[id(weight)] = (weight, weight.detach().t().contiguous())
        return kept[1]

    def chosen(self, weight: Tensor, inputs: Tensor) -> Tensor:
        """Return the rows of some inputs (int64), in memory that the next call for the same weight reuses."""
        transposed = self.of(weight)
        memory = self._chosen.setdefault(id(weight), torch.empty_like(transposed))
        return torch.index_select(transposed, 0, inputs, out=memory[: len(inputs)])


def projection_of(
    values: Tensor, weight: Tensor, bias: Tensor | None, weights: TransposedWeights
) -> Callable[[Tensor], Tensor]:
    """Return a function that projects some of the rows of one variant, (n, inputs) to (n, outputs).

    It may be called until the next projection with the same weight is made.

    Args:
        values: (rows, inputs), all rows of the variant.
        weight: (outputs, inputs).
        bias: (outputs,) or None.
        weights: where the transposed weight is kept.
    """
    constant = (values == values[:1]).all(0)
    if len(values) < 2 or int(constant.sum()) < LEAST_SHARE * len(constant):
        return lambda rows: F.linear(rows, weight, bias)
    varying = (~constant).nonzero()[:, 0]
    chosen, shift = weights.chosen(weight, varying), bias
    if values[0, constant].any():
        shift = torch.where(constant, values[0], 0.0).to(values.dtype) @ weights.of(weight)
        shift = shift if bias is None else shift + bias

    def project(rows: Tensor) -> Tensor:
        outputs = rows.index_select(1, varying) @ chosen
        return outputs if shift is None else outputs.add_(shift)

    return project


def project_parts(
    values: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    parts: Sequence[tuple[int, int]],
    weights: TransposedWeights,
) -> Tensor:
    """Return the projection of the rows of several variants, (rows, ..., outputs).

    Args:
        values: (rows, ..., inputs), float32 or wider for differences to be used.
        weight: (outputs, inputs).
        bias: (outputs,) or None.
        parts: the half-open range of the rows of each variant.
        weights: where the transposed weight is kept.
    """
    outputs = values.new_empty((*values.shape[:-1], len(weight)))
    before: tuple[Tensor, Tensor, float] | None = None
    for first, end in parts:
        part, output = values[first:end].flatten(0, -2), outputs[first:end].flatten(0, -2)
        largest = float(part.abs().max()) if part.numel() else 0.0
        changed = _changed(before, part, largest)
        if before is None or changed is None:
            output.copy_(projection_of(part, weight, bias, weights)(part))
            reach = largest
        else:
            difference = part.index_select(1, changed) - before[0].index_select(1, changed)
            torch.addmm(before[1], difference, weights.chosen(weight, changed), out=output)
            reach = max(before[2], largest)
        before = part, output, reach
    return outputs


def _changed(before: tuple[Tensor, Tensor, float] | None, part: Tensor, largest: float) -> Tensor | None:
    """Return the inputs (int64) in which a variant differs from the one before; None to project it afresh."""
    if before is None or before[0].shape != part.shape or part.dtype.itemsize < 4:
        return None
    if not before[2] <= MOST_GROWTH * largest:  # also if either has values that are not finite
        return None
    changed = (before[0] != part).any(0).nonzero()[:, 0]
    varying = part.shape[1] - int((part == part[:1]).all(0).sum())
    return changed if len(changed) < varying else None


@contextmanager
def leaving_out_constants(
    module: nn.Module | None, parts: Sequence[int], weights: TransposedWeights
) -> Iterator[None]:
    """Let a linear projection skip constant inputs inside a ``with`` block, for each part of the rows apart.

    Args:
        module: the projection; anything else than a plain ``nn.Linear`` runs as it is.
        parts: the number of rows of each part.
        weights: where the transposed weight is kept.
    """
    if type(module) is not nn.Linear or "forward" in vars(module):
        yield
        return
    weight, bias, run = module.weight, module.bias, module.forward

    def forward(values: Tensor) -> Tensor:
        if values.dim() < 2 or len(values) != sum(parts):
            return run(values)
        outputs = [_projected(part, weight, bias, weights) for part in values.split(list(parts))]
        return torch.cat(outputs)

    vars(module)["forward"] = forward
    try:
        yield
    finally:
        vars(module).pop("forward", None)


def _projected(values: Tensor, weight: Tensor, bias: Tensor | None, weights: TransposedWeights) -> Tensor:
    rows = values.reshape(-1, values.shape[-1])
    return projection_of(rows, weight, bias, weights)(rows).view(*values.shape[:-1], len(weight))
