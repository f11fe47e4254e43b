"""Choose the subwords that represent each word, and combine their values into the word's value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32

from onegrain.errors import ParameterError

__all__ = ["Aggregate", "Alignment", "align", "join", "require_aggregate"]

Aggregate = Literal["last", "first", "mean"]
"""The value of a word: that of its last subword, that of its first, or their mean."""


@dataclass(frozen=True)
class Alignment:
    """The subwords that are read for the words of one row.

    Attributes:
        positions: int64 (subwords,), the time steps to read, grouped by word.
        counts: int64 (words,), the number of positions of each word; 0 for a word without a subword.
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
    """Choose the subwords to read for each word.

    Args:
        word_of: the word of every subword of the row, or -1 for a special token.
        n_words: number of words in the sentence.
        aggregate: which subwords of a word are read.
        shares: maps a word without subwords to ``(owner, count)``: it shares the last ``count`` subwords of the
            word ``owner``.

    >>> align([-1, 0, 0, 1, -1], 2, "last").positions
    array([2, 3])
    >>> align([0, 0, 2], 3, "last", {1: (0, 1)}).positions
    array([1, 1, 2])
    """
    words = np.asarray(word_of, dtype=np.int64)
    positions = np.flatnonzero(words >= 0)
    owners = words[positions]
    for word, (owner, last) in (shares or {}).items():
        shared = np.flatnonzero(words == owner)[-last:]
        positions, owners = np.append(positions, shared), np.append(owners, np.full(len(shared), word))
    order = np.argsort(owners, kind="stable")
    positions = positions[order]
    counts = np.bincount(owners[order], minlength=n_words).astype(np.int64)
    if aggregate == "mean":
        return Alignment(positions, counts)
    has_subwords = counts > 0
    ends = np.cumsum(counts)[has_subwords]
    chosen = ends - 1 if aggregate == "last" else ends - counts[has_subwords]
    return Alignment(positions[chosen], has_subwords.astype(np.int64))


def join(
    values: Float32[np.ndarray, "subwords width"], counts: np.ndarray
) -> Float32[np.ndarray, "words width"]:
    """Return the mean of each word's values, which lie grouped by word.

    Args:
        values: float32 (subwords, width).
        counts: int64 (words,), the number of rows of each word, at least one.
    """
    if len(values) == len(counts):
        return values
    sums = np.add.reduceat(values, np.cumsum(counts) - counts, axis=0)
    return sums / counts[:, None].astype(np.float32)
