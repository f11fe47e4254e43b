"""The values of some neurons at all words that have an activation, and the types of these words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int32, Int64

from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus

__all__ = ["WordTypes", "columns_of", "require_finite_columns"]

LEAST_WIDTH = 16
"""Fewest neighbouring neurons that are read together."""
PIECE = 255
"""Most occurrences of a word type in one piece, so that a count of them fits one byte."""


@dataclass(frozen=True, eq=False)
class WordTypes:
    """The types of the words that have an activation, in pieces of up to 255 occurrences.

    The sums of a type are those of its pieces, added in order. Types are in the order in which they first occur
    among all words of the corpus; a type of which no word has an activation has no piece.

    Attributes:
        types: the word types.
        counts: int64 (types,), number of occurrences that have an activation.
        first_piece: int64 (types + 1,), the first piece of each type, and the number of pieces.
        pieces: int32 (words,), the piece of each word that has an activation.
    """

    types: tuple[str, ...]
    counts: Int64[np.ndarray, " types"]
    first_piece: Int64[np.ndarray, " types_and_end"]
    pieces: Int32[np.ndarray, " words"]

    @classmethod
    def of(cls, activations: Activations) -> WordTypes:
        """Return the types of the words of some activations."""
        return cls.of_words(activations.corpus, activations.present)

    @classmethod
    def of_words(cls, corpus: Corpus, present: np.ndarray) -> WordTypes:
        """Return the types of the words of a corpus in a mask."""
        number = {word: code for code, word in enumerate(dict.fromkeys(corpus.words))}
        codes = np.fromiter((number[word] for word in corpus.words), np.int64, len(corpus.words))[present]
        counts = np.bincount(codes, minlength=len(number))
        first_piece = np.concatenate([[0], np.cumsum(-(-counts // PIECE))])
        by_type = np.argsort(codes, kind="stable")
        nth = np.empty(len(codes), dtype=np.int64)
        nth[by_type] = np.arange(len(codes)) - (np.cumsum(counts) - counts)[codes[by_type]]
        pieces = first_piece[codes] + nth // PIECE
        return cls(tuple(number), counts, first_piece, pieces.astype(np.int32))

    @property
    def n_pieces(self) -> int:
        """Number of pieces of all types together."""
        return int(self.first_piece[-1])

    @cached_property
    def number(self) -> dict[str, int]:
        """The number of each type."""
        return {word: code for code, word in enumerate(self.types)}


def columns_of(
    activations: Activations, neurons: np.ndarray
) -> Iterator[tuple[int, Float32[np.ndarray, " words"]]]:
    """Yield (place in ``neurons``, values at the words that have an activation) for each of some neurons.

    Where columns can be read alone, only those of the neurons and their neighbours are read and are in memory,
    a few at a time; else all of them are gathered from one pass over the words.

    Args:
        activations: activations of the neurons.
        neurons: int64 flat indices, in any order; the neurons come in the order of their indices.

    Raises:
        ParameterError: a value that was read is not finite.
    """
    present, step = activations.present, activations.column_step
    order = np.argsort(neurons, kind="stable")
    if step is None:
        gathered = np.empty((len(neurons), int(present.sum())), dtype=np.float32)
        done = 0
        for start, block in activations.blocks():
            activations.require_finite(block, start, present)
            kept = block[present[start : start + len(block)]]
            gathered[:, done : done + len(kept)] = kept[:, neurons].T
            done += len(kept)
        yield from ((int(place), gathered[place]) for place in order)
        return
    wide = max(step, LEAST_WIDTH)
    chunks = neurons[order] // wide
    for chunk in np.unique(chunks).tolist():
        first = chunk * wide
        block = activations.values(0, None, slice(first, min(first + wide, activations.n_neurons)))[present]
        require_finite_columns(activations, block)
        for place in order[chunks == chunk].tolist():
            yield place, np.ascontiguousarray(block[:, neurons[place] - first])


def require_finite_columns(activations: Activations, block: np.ndarray) -> None:
    """Raise ParameterError if a block of values, of words that have an activation, holds one not finite.

    The message names the first such word and neuron of all activations.
    """
    if np.isfinite(block).all():
        return
    for start, rows in activations.blocks():
        activations.require_finite(rows, start, activations.present)
    raise ParameterError(f"activations of {activations.describe()} changed while they were read; read again")
