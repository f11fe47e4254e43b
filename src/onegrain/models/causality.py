"""A test by trial: does a subword see the subwords after it?"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from onegrain.models.limits import vocabulary_size
from onegrain.models.passing import trial
from onegrain.models.running import RunningModel
from onegrain.models.sites import Side

__all__ = ["is_causal"]

LENGTHS = (2, 3, 8, 24)
"""Lengths of the rows that are tried."""

CLOSE = 2e-5
CLOSE_IN_OTHER_SHAPES = 1e-3
"""Largest difference of equal values, relative to the largest value, in float32."""


@torch.no_grad()
@trial()
def is_causal(loaded: RunningModel, side: Side = "source") -> bool:
    """Return True if the values of a subword do not depend on the subwords after it, found by trial.

    Rows of several lengths are read with other subwords after several positions, and cut at these positions.
    """
    if side == "source" and loaded.task == "translation":
        return False
    first, second = _subwords(loaded, side)
    longest = loaded.longest_on(side) or LENGTHS[-1]
    for length in sorted({min(length, longest) for length in LENGTHS}):
        row = [(first, second)[index % 3 == 1] for index in range(length)]
        places = sorted({1, 2, length // 2, length - 1} & set(range(1, length)))
        others = [row[:place] + [second if id == first else first for id in row[place:]] for place in places]
        if not places:
            continue
        values = _values(loaded, [row, *others], side)
        for number, place in enumerate(places):
            cut = _values(loaded, [row[:place]], side)
            if not _alike(values[0, :place], values[1 + number, :place], CLOSE, 1):
                return False
            if not _alike(values[0, :place], cut[0], CLOSE_IN_OTHER_SHAPES, 8):
                return False
    return True


def _subwords(loaded: RunningModel, side: Side) -> tuple[int, int]:
    """Return two subwords, neither of them special if there are enough others."""
    size = vocabulary_size(loaded.model, side) or len(loaded.tokenizer)
    special = set(loaded.tokenizer.all_special_ids)
    usual = [subword for subword in range(min(size, 1000)) if subword not in special]
    first, second = (usual if len(usual) > 1 else [0, size - 1])[:2]
    return first, second


def _values(loaded: RunningModel, rows: list[list[int]], side: Side) -> Tensor:
    """Return the values below the output layer, (rows, time, width).

    They are the output of the body, or what the output layer reads if the model calls only a part of its body
    (OPT).
    """
    outputs: list[Any] = []
    read: list[Any] = []
    head = loaded.model.get_output_embeddings()
    with ExitStack() as hooks:
        record = loaded.model.base_model.register_forward_hook(lambda _, inputs, output: outputs.append(output))
        hooks.callback(record.remove)
        if head is not None:
            hooks.callback(head.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0])).remove)
        if side == "target":
            loaded.forward([rows[0][:1]] * len(rows), rows)
        else:
            loaded.forward(rows)
    output = (outputs or read)[-1]
    first: Tensor = output if isinstance(output, Tensor) else output[0]
    return first


def _alike(first: Tensor, second: Tensor, close: float, roundings: int) -> bool:
    bound = max(close, roundings * torch.finfo(first.dtype).eps) * float(first.abs().max())
    return torch.allclose(first.float(), second.float(), rtol=0.0, atol=bound, equal_nan=True)
