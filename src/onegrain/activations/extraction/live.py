"""Compute activations on demand by running the model, without a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float32

from onegrain.activations.extraction.extract import groups_of
from onegrain.activations.extraction.options import EncodingOptions
from onegrain.activations.extraction.reader import Block, Reader
from onegrain.activations.extraction.remote_reader import RemoteReader, extract_provenance, open_reader
from onegrain.corpora import as_corpus
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side
from onegrain.records.activations import Activations

__all__ = ["LiveArray", "live_activations", "live_reader"]


def live_reader(corpus: Any) -> Callable[[Any], Activations]:
    """Return a function from a model, or a record, to its activations at the words of a corpus."""
    words = as_corpus(corpus)
    return lambda model: model if isinstance(model, Activations) else live_activations(model, words)


def live_activations(
    model: str | os.PathLike[str] | LoadedModel,
    corpus: Any,
    *,
    sites: str | Iterable[str] | None = None,
    aggregate: str = "last",
    side: Side | None = None,
    long: str = "error",
    special_tokens: bool = False,
    bos: bool | None = None,
    batch_size: int = 64,
) -> Activations:
    """Return the activations of every word of a corpus as a record that runs the model whenever it is read.

    The record equals that of :func:`~onegrain.extract` with ``dtype="float32"``: it has the same words, neurons
    and provenance, and the same values to the bit, because words are read in the same groups. It keeps the
    group that was read last (256 MiB, or one shard if that is larger), so one pass over the words in order runs
    the model once. Every further pass runs the model again. A ranking that needs several passes, such as one
    with bootstrap intervals or with more neurons than its memory budget holds at once, is therefore faster on a
    store.

    The record can be pickled. The unpickled record loads the model again, from the same place, when it is first
    read.

    Args:
        model: a folder, a hub id, or a loaded model.
        corpus: the words and their label layers: a corpus, or anything that :func:`~onegrain.read_corpus`
            takes.
        sites: see :func:`~onegrain.extract`; each pass reads all sites of the record.
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        side: ``source`` or ``target``; by default the side of the sites, which must then agree.
        long: treatment of a sentence that is too long for the model: ``error``, ``truncate`` or ``window``.
        special_tokens: include the special tokens around each sentence as extra words without labels.
        bos: True to put the start token before each sentence if the tokenizer does not; by default True for
            a language model whose tokenizer has a start token, as when the model is scored.
        batch_size: largest number of rows in one forward pass; it affects the values only by rounding.

    Raises:
        ModelError: the model or a site does not exist; or, during reading, a value is not finite.
        CorpusError: the corpus has no words, or a sentence is longer than the model reads.
        ParameterError: an option is invalid, or the sites are of both sides.
        EngineError: during reading in another process: the model is missing there, or its weights differ.
    """
    options = EncodingOptions(aggregate, long, special_tokens, bos)  # type: ignore[arg-type]
    reader = open_reader(
        model, as_corpus(corpus), sites=sites, side=side, options=options, batch_size=batch_size
    )
    words, space = reader.encoded.words, reader.space
    reader.encoded.scan()
    missing = np.zeros(words.n_words, dtype=bool)
    missing[reader.encoded.missing()] = True
    array = LiveArray(reader, groups_of(words.n_words, space.size), space.size)
    provenance = extract_provenance(reader, "float32")
    return Activations(array, space, words, provenance, missing=missing if missing.any() else None)


class LiveArray:
    """A float32 array (words, neurons) that runs the model over the groups of words that a slice touches.

    Args:
        reader: the reader, or a description from which another process can open it.
        groups: the words ``start:stop`` of each group that is read together, in order.
        neurons: number of columns.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, reader: Reader | RemoteReader, groups: Sequence[tuple[int, int]], neurons: int) -> None:
        self._reader = reader
        self._groups = list(groups)
        self._starts = [start for start, _ in groups]
        self._lock = Lock()
        self._kept: tuple[int, Block] | None = None
        self.shape: tuple[int, int] = (groups[-1][1], neurons)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def reader(self) -> Reader:
        """The reader of this process; the first access may load the model."""
        with self._lock:
            return self._opened()

    def _opened(self) -> Reader:
        if isinstance(self._reader, RemoteReader):
            self._reader = self._reader.open()
        return self._reader

    def __getitem__(self, key: Any) -> np.ndarray:
        """Index rows and columns by slices or numbers as in numpy; always return a copy."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        numbers = [np.arange(size)[index] for index, size in zip((rows, columns), self.shape, strict=True)]
        block = self.take(*(np.atleast_1d(indices) for indices in numbers))
        return block[tuple(slice(None) if np.ndim(indices) else 0 for indices in numbers)]

    def take(self, rows: Any, columns: Any) -> Float32[np.ndarray, "rows columns"]:
        """Return the values at any slices or int64 indices; only the groups that hold a row are read."""
        words, neurons = np.arange(self.shape[0])[rows], np.arange(self.shape[1])[columns]
        values = np.empty((len(words), len(neurons)), dtype=np.float32)
        self._fill(values, words, neurons)
        return values

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` (rows, columns) with the values of two slices."""
        self._fill(out, np.arange(self.shape[0])[rows], np.arange(self.shape[1])[columns])

    def _fill(self, out: np.ndarray, words: np.ndarray, neurons: np.ndarray) -> None:
        group_of = np.searchsorted(self._starts, words, side="right") - 1
        with self._lock:
            for group in np.unique(group_of).tolist():
                positions = np.flatnonzero(group_of == group)
                inside = _run(words[positions] - self._starts[group])
                out[_run(positions)] = self._values(group)[inside][:, _run(neurons)]

    def _values(self, group: int) -> Float32[np.ndarray, "words neurons"]:
        """Return the values of a group, which stay valid until another group is read."""
        if self._kept is None or self._kept[0] != group:
            reader = self._opened()
            if self._kept is not None:
                reader.release(self._kept[1])
                self._kept = None
            self._kept = group, reader.read(self._groups[group], _ignore)
        return self._kept[1].values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        remote = RemoteReader.of(self._reader) if isinstance(self._reader, Reader) else self._reader
        return type(self), (remote, self._groups, self.shape[1])

    def __repr__(self) -> str:
        return f"LiveArray({self.shape} {self.dtype})"


def _ignore(done: int) -> None:
    """Report nothing: the caller reports its own progress."""


def _run(numbers: np.ndarray) -> slice | np.ndarray:
    """Return consecutive numbers as a slice, which avoids a copy, and other numbers unchanged."""
    if numbers.size and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
