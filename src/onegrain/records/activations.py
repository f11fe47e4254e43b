"""The Activations record: the value of every neuron at every word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64

from onegrain.core.describing import Described
from onegrain.errors import LabelError, MismatchError, ParameterError, RecordError
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.slicing import ReadsInto, column_runs, increasing_indices, shaped_buffer
from onegrain.records.space import Neurons, NeuronSpace

__all__ = ["Activations"]

BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False, repr=False)
class Activations(Described):
    """An array of activations with its neurons, its words and their labels.

    Attributes:
        array: (words, neurons), any float dtype: a numpy array, or the array of a store or of a running model,
            whose values are read when it is sliced.
        space: the neurons of this view.
        corpus: the words, one per row, with their label layers.
        provenance: provenance of the activations.
        path: the store, a path or a URL, or None in memory.
        columns: int64 flat indices into ``array`` that this view keeps, increasing, or None for all.
        missing: bool (words,), the words that have no activation, because the tokenizer gave them no subword
            or the model does not reach them; their rows are NaN. None if every word has one.
    """

    array: Any
    space: NeuronSpace
    corpus: Corpus
    provenance: Provenance
    path: Path | str | None = None
    columns: np.ndarray | None = None
    missing: Bool[np.ndarray, " words"] | None = None

    def __post_init__(self) -> None:
        width = self.array.shape[1] if self.columns is None else len(self.columns)
        if len(self.array.shape) != 2 or width != self.space.size:
            raise RecordError(f"array of shape {self.array.shape} for {self.space.size} neurons")
        if self.array.shape[0] != self.corpus.n_words:
            raise RecordError(f"array of {self.array.shape[0]} rows for {self.corpus.n_words} words")

    @classmethod
    def from_array(cls, array: np.ndarray, corpus: Corpus, space: NeuronSpace | None = None) -> Activations:
        """Wrap an array (words, neurons) that was made elsewhere, with one row per word of the corpus."""
        neurons = space or NeuronSpace(("layers.0",), (array.shape[1],))
        provenance = Provenance(stage="memory", corpus=CorpusIdentity.of(corpus), sites=neurons.sites)
        return cls(array, neurons, corpus, provenance)

    @property
    def n_words(self) -> int:
        """Number of words (rows)."""
        return self.corpus.n_words

    @property
    def n_neurons(self) -> int:
        """Number of neurons (columns)."""
        return self.space.size

    @property
    def column_step(self) -> int | None:
        """The number of neighbouring neurons that can be read quickly without the others, or None.

        For a store on a local disk it is the width of a chunk, for an array in memory 1.
        """
        step: int | None = getattr(self.array, "column_step", None)
        return 1 if isinstance(self.array, np.ndarray) else step

    @property
    def present(self) -> Bool[np.ndarray, " words"]:
        """True for each word that has an activation, bool (words,)."""
        return np.ones(self.n_words, dtype=bool) if self.missing is None else ~self.missing

    def layer(self, name: str) -> LabelLayer:
        """Return a label layer of the corpus."""
        return self.corpus.layer(name)

    def values(
        self,
        start: int = 0,
        stop: int | None = None,
        neurons: slice = slice(None),
        *,
        buffer: Float32[np.ndarray, " size"] | None = None,
    ) -> Float32[np.ndarray, "words neurons"]:
        """Return the activations of the words ``start:stop`` at a range of neurons (all by default), float32.

        Args:
            start: the first word.
            stop: the word after the last.
            neurons: a range of flat indices of this view.
            buffer: memory for the values. They are read into it unless they are in memory already as float32;
                the result is valid until the buffer is used again. By default new memory is allocated.

        Raises:
            ParameterError: the buffer is too small.
        """
        rows = slice(*slice(start, stop).indices(self.n_words)[:2])
        first, end, _ = neurons.indices(self.n_neurons)
        runs = [(first, end)] if self.columns is None else column_runs(self.columns[first:end])
        if len(runs) == 1 and not isinstance(self.array, ReadsInto):
            block = np.asarray(self.array[rows, slice(*runs[0])])
            if block.dtype == np.float32 and block.flags.c_contiguous:
                return block
        out = shaped_buffer(buffer, max(0, rows.stop - rows.start), max(0, end - first))
        column = 0
        for left, right in runs:
            self._read(out[:, column : column + right - left], rows, slice(left, right))
            column += right - left
        return out

    def _read(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        if isinstance(self.array, ReadsInto):
            self.array.read_into(out, rows, columns)
        else:
            out[...] = self.array[rows, columns]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.values(), dtype=dtype)

    def neuron(self, neuron: str | int) -> Float32[np.ndarray, " words"]:
        """Return the activations of one neuron, ``site:unit`` or a flat index, at every word.

        Nothing else is read.
        """
        return self.take(neurons=[neuron])[:, 0]

    def words_of(self, layer: str, label: str) -> Int64[np.ndarray, " words"]:
        """Return the rows of the words that have a label in a layer."""
        labels = self.layer(layer)
        if label not in labels.vocabulary:
            raise LabelError(f"no label {label!r} in layer {layer!r}; it has: {', '.join(labels.vocabulary)}")
        return np.flatnonzero(labels.codes == labels.vocabulary.index(label))

    def take(
        self,
        words: Sequence[int] | np.ndarray | None = None,
        neurons: Neurons | None = None,
    ) -> Float32[np.ndarray, "words neurons"]:
        """Return the activations of some words at some neurons, in the order in which both are named.

        Nothing else is read.

        Args:
            words: rows, or a bool mask of them; all by default.
            neurons: names ``site:unit``, flat indices of this view, or a bool mask; all by default.

        Raises:
            ParameterError: a word or an index of a neuron is out of range.
            ModelError: a named neuron is not in the space.
        """
        rows, row_order = increasing_indices(words, self.n_words, "words")
        indices = None if neurons is None else self.space.indices(neurons)
        columns, column_order = increasing_indices(indices, self.n_neurons, "neurons")
        if self.columns is not None:
            columns = self.columns[columns]
        if isinstance(self.array, np.ndarray):
            block = self.array[rows][:, columns]
        elif words is None:
            block = np.asarray(self.array.take(slice(None), columns))
        else:
            block = np.asarray(
                self.array.take(rows, slice(None) if indices is None and self.columns is None else columns)
            )
        return np.ascontiguousarray(block[row_order][:, column_order], dtype=np.float32)

    def blocks(
        self, rows: int | None = None, *, reuse: bool = False
    ) -> Iterator[tuple[int, Float32[np.ndarray, "rows neurons"]]]:
        """Iterate over (first row, block of rows) in order, for one pass in bounded memory.

        With ``reuse``, all blocks share memory: each is valid until the next one is read.
        """
        step = rows or max(1, BLOCK_BYTES // (4 * max(1, self.n_neurons)))
        buffer = np.empty(min(step, self.n_words) * self.n_neurons, dtype=np.float32) if reuse else None
        for start in range(0, self.n_words, step):
            yield start, self.values(start, min(start + step, self.n_words), buffer=buffer)

    def restrict(self, sites: str | Iterable[str] | None) -> Activations:
        """Return a view of the sites that match the patterns, without reading anything."""
        space, kept = self.space.restrict(sites)
        return replace(self, space=space, columns=kept if self.columns is None else self.columns[kept])

    def with_corpus(self, corpus: Corpus) -> Activations:
        """Return the same activations with the label layers of another corpus of the same words.

        The running text stays that of the corpus from which the activations were extracted.
        """
        if not corpus.same_words(self.corpus):
            raise MismatchError(
                f"the activations are of {self.corpus.source} ({self.corpus.content_hash[:12]}), the labels "
                f"of {corpus.source} ({corpus.content_hash[:12]}): their words differ; extract from the corpus "
                "that carries the labels"
            )
        return replace(self, corpus=replace(corpus, running=self.corpus.running))

    def require_same_words(self, other: Activations) -> None:
        """Raise MismatchError unless both are of the same words."""
        if self.corpus.content_hash != other.corpus.content_hash:
            raise MismatchError(
                f"{self.describe()} and {other.describe()} are of different words"
                + (", or of spaces elsewhere between them" if self.corpus.same_words(other.corpus) else "")
                + f": {self.corpus.source} and {other.corpus.source}; extract both from one corpus"
            )

    def require_finite(self, block: np.ndarray, start: int, among: np.ndarray | None = None) -> None:
        """Raise ParameterError if a block of rows from ``start`` on holds a value that is not finite.

        The message names the first such word and neuron, and counts all such values from there on. Only words
        in the mask ``among``, bool (words,), are checked; all if it is None.
        """
        if not block.size or np.isfinite((block.min(), block.max())).all():
            return
        bad = self._not_finite(block, start, among)
        if not bad.any():
            return
        row, column = np.argwhere(bad)[0].tolist()
        end = start + len(block)
        later = sum(
            int(self._not_finite(values, first, among)[max(0, end - first) :].sum())
            for first, values in self.blocks()
        )
        raise ParameterError(
            f"{int(bad.sum()) + later} activations of {self.describe()} are not finite; the first is neuron "
            f"{self.space.name(column)} at word {start + row} ({self.corpus.words[start + row]!r})"
            + ("" if self.present[start + row] else ", which has no activation (see missing): leave it out")
        )

    def _not_finite(self, block: np.ndarray, start: int, among: np.ndarray | None) -> np.ndarray:
        bad = ~np.isfinite(block)
        return bad if among is None else bad & among[start : start + len(block), None]

    def summary(self) -> dict[str, Any]:
        """Return the facts: model, corpus, and how many words and neurons; no activation is read."""
        model = self.provenance.model
        return {
            "record": "activations",
            "model": model.id if model else None,
            "corpus": self.corpus.source,
            "sentences": self.corpus.n_sentences,
            "words": self.n_words,
            "without activation": int((~self.present).sum()),
            "neurons": self.space.describe(),
            "dtype": str(self.array.dtype),
            "label layers": [
                f"{layer.name} ({len(layer.vocabulary)})"
                for layer in sorted(self.corpus.layers.values(), key=lambda layer: layer.name)
            ],
        }

    def describe(self) -> str:
        """Return the path of the store, or else the id of the model."""
        if self.path is not None:
            return str(self.path)
        return self.provenance.model.id if self.provenance.model else "activations in memory"
