"""Passes over the words that models were read on, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from onegrain.core.activations import Activations

__all__ = ["BLOCK_ROWS", "read_blocks"]

BLOCK_ROWS = 2048
"""Words that are read and computed with together: a chunk of a store."""


def read_blocks(
    models: Sequence[Activations], spans: Sequence[slice], words: tuple[int, int], among: np.ndarray
) -> Iterator[tuple[np.ndarray, list[Tensor | None]]]:
    """The words that count (int64) of each block, and what every model did at them, (words, neurons).

    A model without neurons in ``spans`` is not read. The next block is read while one is computed with.
    """
    start, stop = words
    starts = [at for at in range(start, stop, BLOCK_ROWS) if among[at : min(at + BLOCK_ROWS, stop)].any()]

    def read(first: int) -> tuple[np.ndarray, list[Tensor | None]]:
        last = min(first + BLOCK_ROWS, stop)
        blocks = [
            _block(one, span, (first, last), among) if span.stop > span.start else None
            for one, span in zip(models, spans, strict=True)
        ]
        return first + np.flatnonzero(among[first:last]), blocks

    with ThreadPoolExecutor(1, thread_name_prefix="onegrain-blocks") as pool:
        ahead = pool.submit(read, starts[0]) if starts else None
        for following in [*starts[1:], None]:
            if ahead is None:
                return
            found = ahead.result()
            ahead = pool.submit(read, following) if following is not None else None
            yield found


def _block(one: Activations, span: slice, words: tuple[int, int], among: np.ndarray) -> Tensor:
    values = one.values(*words, neurons=span)
    here = among[slice(*words)]
    return torch.from_numpy(values if here.all() else values[here])
