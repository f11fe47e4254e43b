"""The Activations record: what every neuron did at every word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from onegrain.core.corpus import Corpus, LabelLayer
from onegrain.core.provenance import CorpusIdentity, Provenance
from onegrain.core.space import NeuronSpace
from onegrain.errors import MismatchError, ParameterError, RecordError

__all__ = ["Activations"]

BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Activations:
    """An array of activations with its neurons, its words and their labels.

    Attributes:
        array: (words, neurons), any float dtype; a numpy array, or a Zarr array that is read as it is sliced.
        space: what the columns of ``array`` are, before ``columns`` selects among them.
        corpus: the words that the rows are, with their label layers.
        provenance: what the activations were made from.
        path: the store, or None in memory.
        columns: int64 flat indices into ``array`` that this view keeps, or None for all.
    """

    array: Any
    space: NeuronSpace
    corpus: Corpus
    provenance: Provenance
    path: Path | None = None
    columns: np.ndarray | None = None

    def __post_init__(self) -> None:
        width = self.array.shape[1] if self.columns is None else len(self.columns)
        if len(self.array.shape) != 2 or width != self.space.size:
            raise RecordError(f"array of shape {self.array.shape} for {self.space.size} neurons")
        if self.array.shape[0] != self.corpus.n_words:
            raise RecordError(f"array of {self.array.shape[0]} rows for {self.corpus.n_words} words")

    @classmethod
    def from_array(cls, array: np.ndarray, corpus: Corpus, space: NeuronSpace | None = None) -> Activations:
        """Wrap activations that were made elsewhere: (words, neurons), one row a word of the corpus."""
        known = space or NeuronSpace(("layers.0",), (array.shape[1],))
        provenance = Provenance(stage="memory", corpus=CorpusIdentity.of(corpus), sites=known.sites)
        return cls(array, known, corpus, provenance)

    @property
    def n_words(self) -> int:
        """Number of words (rows)."""
        return self.corpus.n_words

    @property
    def n_neurons(self) -> int:
        """Number of neurons (columns)."""
        return self.space.size

    def layer(self, name: str) -> LabelLayer:
        """A label layer of the corpus."""
        return self.corpus.layer(name)

    def values(self, start: int = 0, stop: int | None = None) -> Float32[np.ndarray, "words neurons"]:
        """Activations of the words ``start:stop`` (all by default), float32, C order."""
        block = np.asarray(self.array[start : self.n_words if stop is None else stop])
        if self.columns is not None:
            block = block[:, self.columns]
        return np.ascontiguousarray(block, dtype=np.float32)

    def blocks(self, rows: int | None = None) -> Iterator[tuple[int, Float32[np.ndarray, "rows neurons"]]]:
        """Every (first row, block of rows) in order, for one pass in bounded memory."""
        step = rows or max(1, BLOCK_BYTES // (4 * max(1, self.array.shape[1])))
        for start in range(0, self.n_words, step):
            yield start, self.values(start, min(start + step, self.n_words))

    def restrict(self, sites: str | Iterable[str] | None) -> Activations:
        """A view of the sites that match; nothing is loaded."""
        space, kept = self.space.restrict(sites)
        return replace(self, space=space, columns=kept if self.columns is None else self.columns[kept])

    def with_corpus(self, corpus: Corpus) -> Activations:
        """The same activations with other label layers; the words must be the same."""
        if corpus.content_hash != self.corpus.content_hash:
            raise MismatchError(
                f"the activations are of {self.corpus.source} ({self.corpus.content_hash[:12]}), the labels "
                f"of {corpus.source} ({corpus.content_hash[:12]}): their words differ; extract from the corpus "
                "that carries the labels"
            )
        return replace(self, corpus=corpus)

    def require_same_words(self, other: Activations) -> None:
        """Raise MismatchError unless both are read on the same words."""
        if self.corpus.content_hash != other.corpus.content_hash:
            raise MismatchError(
                f"{self.describe()} and {other.describe()} are of different words: "
                f"{self.corpus.source} and {other.corpus.source}; extract both from one corpus"
            )

    def require_finite(self, block: np.ndarray, start: int, among: np.ndarray | None = None) -> None:
        """Raise ParameterError if a block, from word ``start`` on, is not finite at the words that count.

        It names the first word and neuron, and how many there are from there on. ``among`` is a mask of the
        words that count, bool (words,), or None for all.
        """
        bad = self._not_finite(block, start, among)
        if not bad.any():
            return
        row, column = np.argwhere(bad)[0]
        end = start + len(block)
        later = sum(
            int(self._not_finite(one, first, among)[max(0, end - first) :].sum())
            for first, one in self.blocks()
        )
        raise ParameterError(
            f"{int(bad.sum()) + later} activations of {self.describe()} are not finite; the first is neuron "
            f"{self.space.name(int(column))} at word {start + int(row)} "
            f"({self.corpus.words[start + int(row)]!r})"
        )

    def _not_finite(self, block: np.ndarray, start: int, among: np.ndarray | None) -> np.ndarray:
        bad = ~np.isfinite(block)
        return bad if among is None else bad & among[start : start + len(block), None]

    def describe(self) -> str:
        """Where these activations are from, in a few words."""
        if self.path is not None:
            return str(self.path)
        return self.provenance.model.id if self.provenance.model else "activations in memory"
