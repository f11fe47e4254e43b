"""Batches of sentences of similar length, and the subwords of a sentence with the words they belong to."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

__all__ = ["Encoded", "by_length", "pad_batch"]


@dataclass(frozen=True)
class Encoded:
    """An encoded sentence: its subwords, and the word that each belongs to.

    Attributes:
        ids: subword ids, special subwords included.
        word_of: for each subword, the index of its word in the sentence, or -1 for a special subword.
        shares: for each word that has no subword because it lies inside those of an earlier word (as ``not``
            may in ``cannot``), the index of the earlier word and how many of its last subwords are shared.
    """

    ids: list[int]
    word_of: list[int]
    shares: dict[int, tuple[int, int]] = field(default_factory=dict)


PADDED_SHARE = 0.05
LEAST_SUBWORDS = 512


def by_length(
    lengths: Sequence[int], batch_size: int, *, alike: Sequence[Hashable] | None = None
) -> Iterator[np.ndarray]:
    """Yield batches of at most ``batch_size`` sentence indices (int64), longest sentences first.

    Memory use therefore peaks in the first batches. A batch that already has enough subwords to be worth a
    forward pass is closed early if one more sentence would bring its padding above five percent of its real
    subwords. Sentences of equal length keep their order, so the same lengths always give the same batches.

    Args:
        lengths: the number of subwords of each sentence.
        batch_size: the largest number of sentences in a batch.
        alike: a key for each sentence; only sentences with equal keys share a batch, in their
            given order and without regard to padding. See
            :func:`onegrain.models.padding.sites_need_equal_rows`.
    """
    subword_counts = np.asarray(lengths, dtype=np.int64)
    if alike is not None:
        for group in _group_alike(subword_counts, alike):
            yield from (group[first : first + batch_size] for first in range(0, len(group), batch_size))
        return
    order = np.argsort(-subword_counts, kind="stable")
    start = subwords = 0
    for position, sentence in enumerate(order.tolist()):
        subwords_with = subwords + int(subword_counts[sentence])
        longest = int(subword_counts[order[start]])
        padding = longest * (position - start + 1) - subwords_with
        full = position - start == batch_size
        if full or (subwords >= LEAST_SUBWORDS and padding > PADDED_SHARE * subwords_with):
            yield order[start:position]
            start, subwords = position, 0
        subwords += int(subword_counts[sentence])
    if len(order):
        yield order[start:]


def _group_alike(lengths: np.ndarray, alike: Sequence[Hashable]) -> list[np.ndarray]:
    """Return the indices of the sentences with equal keys, the group with the longest first sentence first."""
    kinds: dict[Hashable, list[int]] = {}
    for sentence, kind in enumerate(alike):
        kinds.setdefault(kind, []).append(sentence)
    groups = [np.array(sentences, dtype=np.int64) for sentences in kinds.values()]
    return sorted(groups, key=lambda group: -int(lengths[group[0]]))


def pad_batch(rows: Sequence[Sequence[int]], pad: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Return the ids, padded on the right, and a mask that is 1 on real subwords; both (batch, time), int64."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = row
        mask[index, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
