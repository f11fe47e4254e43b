"""Activations that a running model gives when they are asked for: nothing is stored."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Float32

from onegrain.activations.extraction.encoding import Wording
from onegrain.activations.extraction.extract import groups_of
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
    """What a model's neurons do at every word of a corpus, read from the model whenever it is asked for.

    The record is that of :func:`~onegrain.extract` with ``dtype="float32"``: the same words, neurons and
    provenance, and the same values to the bit, as words are read in the same groups. The group that was read
    last (256 MiB, or one shard of a store if that is more) is kept, so a pass in order over the words runs the
    model once. Each further pass runs it again: a ranking that takes several, as for bootstrap intervals or
    more neurons than a memory budget holds at once, runs the model as often, and is faster on a store.

    The record can be pickled. Where it is unpickled the model is loaded anew, from the same place, when it is
    first read from.

    Args:
        model: a folder, a hub id, or a loaded model.
        corpus: the words, with their label layers: a corpus, or what :func:`~onegrain.read_corpus` takes.
        sites: see :func:`~onegrain.extract`; here all sites of the record are read in each pass.
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        side: ``source`` or ``target``; by default that of the sites, which must then agree.
        long: what is done with a sentence longer than the model reads: ``error``, ``truncate`` or ``window``.
        special_tokens: give the special tokens around each sentence rows of their own, as words without labels.
        bos: whether the start token is put before each sentence where the tokenizer does not; by default it is
            for a language model whose tokenizer has one, as when the model is scored.
        batch_size: rows in one forward pass at most; the values do not depend on it, but for rounding.

    Raises:
        ModelError: no such model or site; while it is read, a value that is not finite.
        CorpusError: no words, or a sentence longer than the model reads.
        ParameterError: an impossible option, or sites of both sides.
        EngineError: while it is read in another process: the model is not found there, or its weights differ.
    """
    wording = Wording(aggregate, long, special_tokens, bos)  # type: ignore[arg-type]
    reader = open_reader(
        model, as_corpus(corpus), sites=sites, side=side, wording=wording, batch_size=batch_size
    )
    words, space = reader.rows.words, reader.space
    reader.rows.scan()
    missing = np.zeros(words.n_words, dtype=bool)
    missing[reader.rows.missing()] = True
    array = LiveArray(reader, groups_of(words.n_words, space.size), space.size)
    provenance = extract_provenance(reader, "float32")
    return Activations(array, space, words, provenance, missing=missing if missing.any() else None)


class LiveArray:
    """Activations (words, neurons), float32; a slice runs the model over the groups of words that it touches.

    Args:
        reader: reads the words here; or what another process needs to open such a reader.
        groups: the words ``start:stop`` that are read together, one group after another.
        neurons: how many columns.
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
        """What reads the words here; the model is loaded if it is not yet."""
        with self._lock:
            return self._opened()

    def _opened(self) -> Reader:
        if isinstance(self._reader, RemoteReader):
            self._reader = self._reader.open()
        return self._reader

    def __getitem__(self, key: Any) -> np.ndarray:
        """Rows and columns by slices or numbers, as numpy does; always a copy."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        numbers = [np.arange(size)[one] for one, size in zip((rows, columns), self.shape, strict=True)]
        block = self.take(*(np.atleast_1d(one) for one in numbers))
        return block[tuple(slice(None) if np.ndim(one) else 0 for one in numbers)]

    def take(self, rows: Any, columns: Any) -> Float32[np.ndarray, "rows columns"]:
        """(rows, columns) for any slices, or int64 indices; the groups without any of the rows are not read."""
        words, neurons = np.arange(self.shape[0])[rows], np.arange(self.shape[1])[columns]
        made = np.empty((len(words), len(neurons)), dtype=np.float32)
        self._fill(made, words, neurons)
        return made

    def read_into(self, out: np.ndarray, rows: slice, columns: slice) -> None:
        """Fill ``out`` (rows, columns) with the values of two slices."""
        self._fill(out, np.arange(self.shape[0])[rows], np.arange(self.shape[1])[columns])

    def _fill(self, out: np.ndarray, words: np.ndarray, neurons: np.ndarray) -> None:
        group_of = np.searchsorted(self._starts, words, side="right") - 1
        with self._lock:
            for group in np.unique(group_of).tolist():
                here = np.flatnonzero(group_of == group)
                inside = _run(words[here] - self._starts[group])
                out[_run(here)] = self._values(group)[inside][:, _run(neurons)]

    def _values(self, group: int) -> Float32[np.ndarray, "words neurons"]:
        """What the model gives at the words of a group; good until another is asked for."""
        if self._kept is None or self._kept[0] != group:
            reader = self._opened()
            if self._kept is not None:
                reader.release(self._kept[1])
                self._kept = None
            self._kept = group, reader.read(self._groups[group], _nobody)
        return self._kept[1].values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __reduce__(self) -> tuple[Any, ...]:
        remote = RemoteReader.of(self._reader) if isinstance(self._reader, Reader) else self._reader
        return type(self), (remote, self._groups, self.shape[1])

    def __repr__(self) -> str:
        return f"LiveArray({self.shape} {self.dtype})"


def _nobody(done: int) -> None:
    """Told of words that are read; whoever ranks tells of those that are ranked."""


def _run(numbers: np.ndarray) -> slice | np.ndarray:
    """Neighbouring numbers as a slice, which copies nothing; others as they are."""
    if numbers.size and (np.diff(numbers) == 1).all():
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers
