"""What a model is given to read the words of a corpus: one row of subwords a sentence, or a window of it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event, Lock
from typing import Literal, get_args

import numpy as np

from onegrain.activations.extraction.alignment import Aggregate, align, require_aggregate
from onegrain.activations.extraction.windows import Window, cut, shorten, specials
from onegrain.errors import CorpusError, ParameterError
from onegrain.models.batching import Encoded
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side
from onegrain.records.corpus import UNLABELLED, Corpus, LabelLayer
from onegrain.records.running_text import Form, RunningText

__all__ = ["Long", "Row", "Rows", "Wording", "read_side", "too_long", "with_special_tokens"]

Long = Literal["error", "truncate", "window"]
"""What is done with a sentence that is longer than the model reads."""

ENCODED_AT_ONCE = 1000
KEPT_CHUNKS = 64


@dataclass(frozen=True)
class Wording:
    """How words become subwords, and subwords the values of words.

    Attributes:
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        long: a sentence longer than the model reads is an ``error``; or the words that do not fit are left
            without an activation (``truncate``); or it is read in overlapping windows, each word where it has
            most context (``window``).
        special_tokens: give the special tokens around each sentence rows of their own.
        bos: whether the start token is put before each sentence where the tokenizer does not; None for what
            the model is scored with. :class:`Rows` decides that.
    """

    aggregate: Aggregate = "last"
    long: Long = "error"
    special_tokens: bool = False
    bos: bool | None = None

    def __post_init__(self) -> None:
        require_aggregate(self.aggregate)
        if self.long not in get_args(Long):
            raise ParameterError(f"long must be one of {', '.join(get_args(Long))}, got {self.long!r}")


@dataclass(frozen=True)
class Row:
    """One row of subwords, and the words that are read from it.

    Attributes:
        ids: int64 (time,), what the read side of the model is given.
        positions: int64 (subwords,), the time steps that are read, word after word.
        counts: int64 (words,), how many of them belong to each word, at least one.
        words: int64 (words,), those words' rows in the store.
        source: int64 (source time,), what the encoder reads while the decoder reads ``ids``; None elsewhere.
    """

    ids: np.ndarray
    positions: np.ndarray
    counts: np.ndarray
    words: np.ndarray
    source: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Time steps of what is read, and of what the encoder reads beside it."""
        return len(self.ids), 0 if self.source is None else len(self.source)


def read_side(corpus: Corpus, side: Side) -> Corpus:
    """The corpus whose words become the rows of a store: the target's for a decoder.

    Raises:
        ParameterError: there is no parallel side.
        CorpusError: there are no words.
    """
    if side == "target" and corpus.target is None:
        raise ParameterError(
            f"{corpus.source} has no parallel side, which decoder sites read; read it with read_parallel"
        )
    read = corpus.target if side == "target" and corpus.target is not None else corpus
    if not read.n_words:
        raise CorpusError("there are no words to read", read.source)
    return read


class Rows:
    """The rows of a corpus, encoded as they are asked for; :meth:`scan` looks ahead at all of them.

    Args:
        loaded: the model.
        corpus: what it reads; a decoder reads the parallel side.
        side: which side is read.
        wording: how.

    Raises:
        ParameterError: ``bos`` where the tokenizer has no start token.
    """

    def __init__(self, loaded: LoadedModel, corpus: Corpus, side: Side, wording: Wording) -> None:
        self.loaded = loaded
        self.corpus = corpus
        self.side = side
        self.wording = replace(wording, bos=_puts_start(loaded, side, wording))
        self.read = read_side(corpus, side)
        self._bos = _start_token(loaded, side, self.wording)
        self._special = self._special_tokens() if wording.special_tokens else ([], [])
        self.words = with_special_tokens(self.read, *self._special) if wording.special_tokens else self.read
        self._chunks: dict[int, list[list[Row]]] = {}
        self._lock = Lock()
        self._ahead: Future[np.ndarray] | None = None
        self._stopped = Event()

    def sentence(self, number: int) -> list[Row]:
        """The rows of one sentence: one, several windows, or none where no word of it is read."""
        chunk, at = divmod(number, ENCODED_AT_ONCE)
        with self._lock:
            if chunk not in self._chunks:
                self._chunks[chunk] = self._encode(chunk)
            return self._chunks[chunk][at]

    def forget(self, sentence: int) -> None:
        """Drop what is kept of the sentences before one."""
        with self._lock:
            for chunk in [chunk for chunk in self._chunks if (chunk + 1) * ENCODED_AT_ONCE <= sentence]:
                del self._chunks[chunk]

    def scan(self) -> None:
        """Begin to look at every sentence, in a thread of its own, so that reading can begin at once."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="onegrain-rows")
        self._ahead = pool.submit(self._scan)
        pool.shutdown(wait=False)

    def check(self) -> None:
        """Raise what the scan has found so far that cannot be read."""
        if self._ahead is not None and self._ahead.done():
            self._ahead.result()

    def stop(self) -> None:
        """Let the scan end, if it still looks ahead."""
        self._stopped.set()

    def missing(self) -> np.ndarray:
        """int64: the words, by their row in the store, that are read nowhere; waits for the scan."""
        assert self._ahead is not None, "nothing was scanned"
        return self._ahead.result()

    def _scan(self) -> np.ndarray:
        there = np.zeros(self.words.n_words, dtype=bool)
        for chunk in range(-(-self.read.n_sentences // ENCODED_AT_ONCE)):
            if self._stopped.is_set():
                break
            with self._lock:
                rows = self._chunks[chunk] if chunk in self._chunks else self._encode(chunk)
                if len(self._chunks) < KEPT_CHUNKS:
                    self._chunks[chunk] = rows
            for row in (row for sentence in rows for row in sentence):
                there[row.words] = True
        return np.flatnonzero(~there)

    def _encode(self, chunk: int) -> list[list[Row]]:
        start = chunk * ENCODED_AT_ONCE
        stop = min(start + ENCODED_AT_ONCE, self.read.n_sentences)
        found = _encoded(self.loaded, self.read, start, stop, self.side)
        sources = self._sources(start, stop) if self.side == "target" else [None] * (stop - start)
        return [
            self._rows(start + at, encoded, source)
            for at, (encoded, source) in enumerate(zip(found, sources, strict=True))
        ]

    def _rows(self, number: int, encoded: Encoded, source: np.ndarray | None) -> list[Row]:
        base, end = (int(edge) for edge in self.words.offsets[number : number + 2])
        before = len(self._special[0])
        shares = {word + before: (owner + before, last) for word, (owner, last) in encoded.shares.items()}
        made = []
        for window in self.windows(number, encoded):
            alignment = align(window.word_of, end - base, self.wording.aggregate, shares)
            words = np.flatnonzero(alignment.counts)
            if words.size:
                made.append(Row(window.ids, alignment.positions, alignment.counts[words], base + words, source))
        return made

    def windows(self, number: int, encoded: Encoded) -> list[Window]:
        """The stretches in which a sentence is read: one, several, or none; words count from its first.

        Args:
            number: of the sentence.
            encoded: its subwords on the side that is read, without the start token that ``bos`` puts.

        Raises:
            CorpusError: it is longer than the model reads, and ``long`` is ``error``.
        """
        ids = np.array([*self._bos, *encoded.ids], dtype=np.int64)
        word_of = np.array([-1] * len(self._bos) + encoded.word_of, dtype=np.int64)
        longest, around = self.loaded.longest_on(self.side), specials(word_of)
        n_words = int(self.words.offsets[number + 1] - self.words.offsets[number])
        numbered = self._number_special(word_of, n_words) if self.wording.special_tokens else word_of
        if longest is None or len(ids) <= longest:
            return [Window(ids, numbered, numbered)]
        if self.wording.long == "error":
            raise too_long(self.loaded, self.read, number, len(ids), side=self.side)
        if self.wording.long == "truncate":
            return shorten(ids, numbered, longest, around)
        causal = self.side == "target" or self.loaded.causal
        return cut(ids, numbered, longest, around, causal=causal)

    def _number_special(self, word_of: np.ndarray, n_words: int) -> np.ndarray:
        """Words numbered behind the special tokens, which become the first and the last words."""
        before, after = (len(names) for names in self._special)
        numbered = np.where(word_of >= 0, word_of + before, -1)
        numbered[:before] = np.arange(before)
        numbered[len(numbered) - after :] = np.arange(n_words - after, n_words)
        return numbered

    def _special_tokens(self) -> tuple[list[str], list[str]]:
        """The special tokens before and after a sentence's words, as the tokenizer writes them."""
        sample = _encoded(self.loaded, Corpus.from_sentences([["a"]]), 0, 1, self.side)[0]
        names = self.loaded.tokenizer.convert_ids_to_tokens([*self._bos, *sample.ids])
        before, after = specials(np.array([-1] * len(self._bos) + sample.word_of))
        return names[:before], names[len(names) - after :]

    def _sources(self, start: int, stop: int) -> list[np.ndarray]:
        """What the encoder reads beside each target; one that is too long is cut where that was asked for."""
        made = []
        for at, encoded in enumerate(_encoded(self.loaded, self.corpus, start, stop, "source")):
            ids, longest = np.array(encoded.ids, dtype=np.int64), self.loaded.longest
            if longest is not None and len(ids) > longest:
                if self.wording.long != "truncate":
                    raise too_long(self.loaded, self.corpus, start + at, len(ids), beside=True)
                word_of = np.array(encoded.word_of, dtype=np.int64)
                short = shorten(ids, word_of, longest, specials(word_of))
                ids = short[0].ids if short else ids[:longest]
            made.append(ids)
        return made


def with_special_tokens(corpus: Corpus, before: Sequence[str], after: Sequence[str]) -> Corpus:
    """The corpus with special tokens as words around each sentence; they have no label."""
    if not before and not after:
        raise ParameterError("the tokenizer puts no special token around a sentence; leave special_tokens out")
    words: list[str] = []
    rows: list[int] = []
    forms: list[Form] = []
    offsets = [0]
    for number in range(corpus.n_sentences):
        words += [*before, *corpus.sentence(number), *after]
        for spelled in corpus.forms(number, number + 1) or []:
            forms += [*map(Form, before), *spelled, *map(Form, after)]
        own = range(int(corpus.offsets[number]), int(corpus.offsets[number + 1]))
        rows += [UNLABELLED] * len(before) + list(own) + [UNLABELLED] * len(after)
        offsets.append(len(words))
    at = np.array(rows, dtype=np.int64)
    layers = {
        name: LabelLayer(name, np.where(at < 0, UNLABELLED, layer.codes[at]).astype(np.int32), layer.vocabulary)
        for name, layer in corpus.layers.items()
    }
    running = RunningText.of(forms) if forms else None
    return Corpus(tuple(words), np.array(offsets, dtype=np.int64), layers, corpus.source, running=running)


def _puts_start(loaded: LoadedModel, side: Side, wording: Wording) -> bool:
    """Whether the start token is put: as it was asked for, else where the model is scored with it."""
    if wording.bos is not None:
        return wording.bos
    return side == "source" and loaded.task == "language model" and loaded.bos_id is not None


def _start_token(loaded: LoadedModel, side: Side, wording: Wording) -> list[int]:
    if not wording.bos:
        return []
    if side == "target":
        raise ParameterError("a decoder's row begins with its start token as it is; leave bos out")
    if loaded.bos_id is None:
        raise ParameterError(
            f"the tokenizer of {loaded.identity.id} has no start token, or puts it itself; leave bos out"
        )
    return [loaded.bos_id]


def _encoded(loaded: LoadedModel, corpus: Corpus, start: int, stop: int, side: Side) -> list[Encoded]:
    sentences = [corpus.sentence(number) for number in range(start, stop)]
    encode = loaded.encode_target if side == "target" else loaded.encode
    return encode(sentences, corpus.forms(start, stop))


def too_long(
    loaded: LoadedModel,
    corpus: Corpus,
    number: int,
    length: int,
    *,
    side: Side = "source",
    beside: bool = False,
) -> CorpusError:
    """The error over a sentence that the model cannot read; ``beside`` where no windows can be read of it."""
    remedy = "use long=truncate" if beside else "use long=window or long=truncate"
    return CorpusError(
        f"sentence {number} (counted from 0) has {len(corpus.sentence(number))} words, {length} subwords, "
        f"but {loaded.identity.id} reads at most {loaded.longest_on(side)} subwords; {remedy} (--long), split "
        "the sentence or leave it out",
        corpus.source,
    )
