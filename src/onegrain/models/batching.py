"""Sentences of like length in one batch, and what each subword belongs to."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
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


def by_length(
    lengths: Sequence[int], batch_size: int, *, alike: Sequence[Hashable] | None = None
) -> Iterator[np.ndarray]:
    """Batches of at most ``batch_size`` sentence numbers (int64), longest sentences first.

    Memory so peaks at the start. A batch ends before it is full where, once it has enough subwords to be worth
    a pass, one sentence more would leave more than a twentieth of it to padding. Sentences of one length keep
    their order, so the batches depend on nothing but the lengths.

    Args:
        lengths: subwords of each sentence.
        batch_size: sentences in a batch, at most.
        alike: what the sentences of a batch must have in common, if anything; see
            :func:`onegrain.models.padding.sites_need_equal_rows`.
    """
    known = np.asarray(lengths, dtype=np.int64)
    if alike is not None:
        for batch in _of_a_kind(known, alike):
            yield from (batch[at : at + batch_size] for at in range(0, len(batch), batch_size))
        return
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


def _of_a_kind(lengths: np.ndarray, alike: Sequence[Hashable]) -> list[np.ndarray]:
    """The sentences that have something in common, longest first."""
    kinds: dict[Hashable, list[int]] = {}
    for sentence, kind in enumerate(alike):
        kinds.setdefault(kind, []).append(sentence)
    groups = [np.array(sentences, dtype=np.int64) for sentences in kinds.values()]
    return sorted(groups, key=lambda group: -int(lengths[group[0]]))


def pad_batch(rows: Sequence[Sequence[int]], pad: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """Ids (batch, time), padded on the right, and the mask that is 1 on real subwords."""
    width = max(len(row) for row in rows)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for at, row in enumerate(rows):
        ids[at, : len(row)] = row
        mask[at, : len(row)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
