"""Sentences of like length in one batch, and what each subword belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

__all__ = ["Encoded", "by_length", "pad_batch"]


@dataclass(frozen=True)
class Encoded:
    """The subwords of one sentence.

    Attributes:
        ids: subword ids, special subwords included.
        word_of: for every subword the word in the sentence that it belongs to, or -1 for a special one.
    """

    ids: list[int]
    word_of: list[int]


def by_length(lengths: Sequence[int], batch_size: int) -> Iterator[np.ndarray]:
    """Batches of sentence numbers (int64), longest sentences first so that memory peaks at the start.

    Sentences of one length keep their order, so the batches depend on nothing but the lengths.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def pad_batch(rows: Sequence[Sequence[int]], pad: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Ids (batch, time), padded on the right, and the mask that is 1 on real subwords."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
