"""Which subwords of a row speak for each word, and how their values become the word's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32

from onegrain.errors import ParameterError

__all__ = ["Aggregate", "Alignment", "align", "join", "require_aggregate"]

Aggregate = Literal["last", "first", "mean"]
"""A word's value: that of its last or first subword, or the mean over its subwords."""


@dataclass(frozen=True)
class Alignment:
    """The subwords that are read for the words of one row.

    Attributes:
        positions: int64 (subwords,), time steps of the row, word after word.
        counts: int64 (words,), how many of them belong to each word; 0 where a word has no subword.
    """

    positions: np.ndarray
    counts: np.ndarray


def require_aggregate(name: str) -> Aggregate:
    """Return the name of an aggregation, or raise ParameterError."""
    for known in get_args(Aggregate):
        if name == known:
            return known
    raise ParameterError(f"aggregate must be one of {', '.join(get_args(Aggregate))}, got {name!r}")


def align(
    word_of: Sequence[int] | np.ndarray,
    n_words: int,
    aggregate: Aggregate,
    shares: Mapping[int, tuple[int, int]] | None = None,
) -> Alignment:
    """Choose the subwords of each word.

    Args:
        word_of: for every subword of the row its word, or -1 for a special subword.
        n_words: words of the sentence.
        aggregate: which subwords of a word are read.
        shares: words that have no subword but share some of another word's last ones: that word, and how many.

    >>> align([-1, 0, 0, 1, -1], 2, "last").positions
    array([2, 3])
    >>> align([0, 0, 2], 3, "last", {1: (0, 1)}).positions
    array([1, 1, 2])
    """
    words = np.asarray(word_of, dtype=np.int64)
    every = np.flatnonzero(words >= 0)
    owners = words[every]
    for word, (owner, last) in (shares or {}).items():
        shared = np.flatnonzero(words == owner)[-last:]
        every, owners = np.append(every, shared), np.append(owners, np.full(len(shared), word))
    order = np.argsort(owners, kind="stable")
    every = every[order]
    counts = np.bincount(owners[order], minlength=n_words).astype(np.int64)
    if aggregate == "mean":
        return Alignment(every, counts)
    there = counts > 0
    ends = np.cumsum(counts)[there]
    chosen = ends - 1 if aggregate == "last" else ends - counts[there]
    return Alignment(every[chosen], there.astype(np.int64))


def join(
    values: Float32[np.ndarray, "subwords width"], counts: np.ndarray
) -> Float32[np.ndarray, "words width"]:
    """The mean of each word's values; ``counts`` (words,) of them belong to each word, at least one."""
    if len(values) == len(counts):
        return values
    sums = np.add.reduceat(values, np.cumsum(counts) - counts, axis=0)
    return sums / counts[:, None].astype(np.float32)
