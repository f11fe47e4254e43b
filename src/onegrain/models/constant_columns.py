"""A projection that leaves out the inputs which an edit has made constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["leaving_out_constants"]

LEAST_SHARE = 0.1
"""Inputs are left out if this share of them is constant; fewer are not worth the copy of the weights."""


@contextmanager
def leaving_out_constants(module: nn.Module | None, parts: Sequence[int]) -> Iterator[None]:
    """Let a linear projection skip constant inputs inside a ``with`` block, for each part of the rows apart.

    An input that has one value in all rows of a part adds the same to all of them, so it is multiplied once.

    Args:
        module: the projection; anything else than a plain ``nn.Linear`` runs as it is.
        parts: the number of rows of each part.
    """
    if type(module) is not nn.Linear or "forward" in vars(module):
        yield
        return
    weight, bias, run = module.weight, module.bias, module.forward

    def forward(values: Tensor) -> Tensor:
        if values.dim() < 2 or len(values) != sum(parts):
            return run(values)
        return torch.cat([_project(part, weight, bias) for part in values.split(list(parts))])

    vars(module)["forward"] = forward
    try:
        yield
    finally:
        vars(module).pop("forward", None)


def _project(values: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    rows = values.reshape(-1, values.shape[-1])
    constant = (rows == rows[:1]).all(0) if len(rows) > 1 else rows.new_zeros(rows.shape[1], dtype=torch.bool)
    if constant.sum() < LEAST_SHARE * len(constant):
        return F.linear(values, weight, bias)
    shift = F.linear(rows[0, constant], weight[:, constant], bias)
    return F.linear(values[..., ~constant], weight[:, ~constant], shift)
