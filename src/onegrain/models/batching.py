"""Sentences of like length in one batch, and what each subword belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
        shares: words without a subword that lie in those of a word before them, as ``not`` in ``cannot`` may:
            that word, and how many of its last subwords.
    """

    ids: list[int]
    word_of: list[int]
    shares: dict[int, tuple[int, int]] = field(default_factory=dict)


PADDED_SHARE = 0.05
LEAST_SUBWORDS = 512


def by_length(lengths: Sequence[int], batch_size: int) -> Iterator[np.ndarray]:
    """Batches of at most ``batch_size`` sentence numbers (int64), longest sentences first.

    Memory so peaks at the start. A batch ends before it is full where, once it has enough subwords to be worth
    a pass, one sentence more would leave more than a twentieth of it to padding. Sentences of one length keep
    their order, so the batches depend on nothing but the lengths.
    """
    known = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-known, kind="stable")
    start = subwords = 0
    for at, sentence in enumerate(order.tolist()):
        longest, more = int(known[order[start]]), subwords + int(known[sentence])
        padded = longest * (at - start + 1) - more
        if at - start == batch_size or (subwords >= LEAST_SUBWORDS and padded > PADDED_SHARE * more):
            yield order[start:at]
            start, subwords = at, 0
        subwords += int(known[sentence])
    if len(order):
        yield order[start:]


def pad_batch(rows: Sequence[Sequence[int]], pad: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Ids (batch, time), padded on the right, and the mask that is 1 on real subwords."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
