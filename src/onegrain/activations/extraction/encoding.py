"""Encode a corpus as rows of subwords: one row per sentence, or several windows of a long sentence."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event, Lock

import numpy as np

from onegrain.activations.extraction.alignment import align
from onegrain.activations.extraction.options import EncodingOptions, puts_start, start_tokens
from onegrain.activations.extraction.special_tokens import with_special_tokens
from onegrain.activations.extraction.windows import Window, cut, shorten, specials
from onegrain.errors import CorpusError, ParameterError
from onegrain.models.batching import Encoded
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side
from onegrain.records.corpus import Corpus

__all__ = ["EncodedCorpus", "EncodedRow", "read_side", "too_long"]

ENCODED_AT_ONCE = 1000
KEPT_CHUNKS = 64


@dataclass(frozen=True)
class EncodedRow:
    """One row of subwords and the words that are read from it.

    Attributes:
        ids: int64 (time,), the input of the side of the model that is read.
        positions: int64 (subwords,), the time steps to read, grouped by word.
        counts: int64 (words,), the number of positions of each word, at least one.
        words: int64 (words,), the indices of those words in the store.
        source: int64 (source time,), the encoder's input if ``ids`` is the decoder's; otherwise None.
    """

    ids: np.ndarray
    positions: np.ndarray
    counts: np.ndarray
    words: np.ndarray
    source: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        """The number of time steps of ``ids`` and of ``source`` (0 if None)."""
        return len(self.ids), 0 if self.source is None else len(self.source)


def read_side(corpus: Corpus, side: Side) -> Corpus:
    """Return the corpus whose words become the rows of a store: the parallel side for a decoder.

    Raises:
        ParameterError: the corpus has no parallel side.
        CorpusError: the corpus has no words.
    """
    if side == "target" and corpus.target is None:
        raise ParameterError(
            f"{corpus.source} has no parallel side, which decoder sites need; read it with read_parallel"
        )
    read = corpus.target if side == "target" and corpus.target is not None else corpus
    if not read.n_words:
        raise CorpusError("there are no words to read", read.source)
    return read


class EncodedCorpus:
    """The rows of a corpus, encoded on demand; :meth:`scan` encodes all of them ahead in a thread.

    Args:
        loaded: the model.
        corpus: the corpus to read; a decoder reads its parallel side.
        side: the side of the model whose sites are read.
        options: rules by which words are split into subwords.

    Raises:
        ParameterError: ``bos`` is set but the tokenizer has no start token, or the side is ``target``.
    """

    def __init__(self, loaded: LoadedModel, corpus: Corpus, side: Side, options: EncodingOptions) -> None:
        self.loaded = loaded
        self.corpus = corpus
        self.side = side
        self.options = replace(options, bos=puts_start(loaded, side, options))
        self.read = read_side(corpus, side)
        self._bos = start_tokens(loaded, side, self.options)
        self._special = self._special_tokens() if options.special_tokens else ([], [])
        self.words = with_special_tokens(self.read, *self._special) if options.special_tokens else self.read
        self._chunks: dict[int, list[list[EncodedRow]]] = {}
        self._lock = Lock()
        self._ahead: Future[np.ndarray] | None = None
        self._stopped = Event()

    def sentence(self, number: int) -> list[EncodedRow]:
        """Return the rows of one sentence: usually one, several for windows, none if no word is read."""
        chunk, index = divmod(number, ENCODED_AT_ONCE)
        with self._lock:
            if chunk not in self._chunks:
                self._chunks[chunk] = self._encode(chunk)
            return self._chunks[chunk][index]

    def forget(self, sentence: int) -> None:
        """Free the encoded rows of all sentences before this one."""
        with self._lock:
            for chunk in [chunk for chunk in self._chunks if (chunk + 1) * ENCODED_AT_ONCE <= sentence]:
                del self._chunks[chunk]

    def scan(self) -> None:
        """Start to encode every sentence in a separate thread, so that reading can start at once."""
        pool = ThreadPoolExecutor(1, thread_name_prefix="onegrain-rows")
        self._ahead = pool.submit(self._scan)
        pool.shutdown(wait=False)

    def check(self) -> None:
        """Raise the error with which the scan has ended, if it has ended with one."""
        if self._ahead is not None and self._ahead.done():
            self._ahead.result()

    def stop(self) -> None:
        """Ask the scan to end early."""
        self._stopped.set()

    def missing(self) -> np.ndarray:
        """Wait for the scan and return the indices (int64) of the words without an activation.

        Raises:
            CorpusError: a sentence is longer than the model reads, and ``long`` is ``error``.
        """
        assert self._ahead is not None, "scan() must run first"
        return self._ahead.result()

    def _scan(self) -> np.ndarray:
        is_read = np.zeros(self.words.n_words, dtype=bool)
        for chunk in range(-(-self.read.n_sentences // ENCODED_AT_ONCE)):
            if self._stopped.is_set():
                break
            with self._lock:
                rows = self._chunks[chunk] if chunk in self._chunks else self._encode(chunk)
                if len(self._chunks) < KEPT_CHUNKS:
                    self._chunks[chunk] = rows
            for row in (row for sentence in rows for row in sentence):
                is_read[row.words] = True
        return np.flatnonzero(~is_read)

    def _encode(self, chunk: int) -> list[list[EncodedRow]]:
        start = chunk * ENCODED_AT_ONCE
        stop = min(start + ENCODED_AT_ONCE, self.read.n_sentences)
        sentences = _encoded(self.loaded, self.read, start, stop, self.side)
        sources = self._sources(start, stop) if self.side == "target" else [None] * (stop - start)
        return [
            self._rows(number, encoded, source)
            for number, encoded, source in zip(range(start, stop), sentences, sources, strict=True)
        ]

    def _rows(self, number: int, encoded: Encoded, source: np.ndarray | None) -> list[EncodedRow]:
        base, end = (int(edge) for edge in self.words.offsets[number : number + 2])
        before = len(self._special[0])
        shares = {word + before: (owner + before, last) for word, (owner, last) in encoded.shares.items()}
        rows = []
        for window in self.windows(number, encoded):
            alignment = align(window.word_of, end - base, self.options.aggregate, shares)
            words = np.flatnonzero(alignment.counts)
            if words.size:
                rows.append(
                    EncodedRow(window.ids, alignment.positions, alignment.counts[words], base + words, source)
                )
        return rows

    def windows(self, number: int, encoded: Encoded) -> list[Window]:
        """Return the windows in which a sentence is read: one, several, or none.

        Words are numbered from the first word of the sentence.

        Args:
            number: index of the sentence.
            encoded: its subwords on the side that is read, without the start token that ``bos`` adds.

        Raises:
            CorpusError: the sentence is longer than the model reads, and ``long`` is ``error``.
        """
        ids = np.array([*self._bos, *encoded.ids], dtype=np.int64)
        word_of = np.array([-1] * len(self._bos) + encoded.word_of, dtype=np.int64)
        longest, around = self.loaded.longest_on(self.side), specials(word_of)
        n_words = int(self.words.offsets[number + 1] - self.words.offsets[number])
        numbered = self._number_special(word_of, n_words) if self.options.special_tokens else word_of
        if longest is None or len(ids) <= longest:
            return [Window(ids, numbered, numbered)]
        if self.options.long == "error":
            raise too_long(self.loaded, self.read, number, len(ids), side=self.side)
        if self.options.long == "truncate":
            return shorten(ids, numbered, longest, around)
        causal = self.side == "target" or self.loaded.causal
        return cut(ids, numbered, longest, around, causal=causal)

    def _number_special(self, word_of: np.ndarray, n_words: int) -> np.ndarray:
        """Number the special tokens as the first and last words, and shift the other words accordingly."""
        before, after = (len(names) for names in self._special)
        numbered = np.where(word_of >= 0, word_of + before, -1)
        numbered[:before] = np.arange(before)
        numbered[len(numbered) - after :] = np.arange(n_words - after, n_words)
        return numbered

    def _special_tokens(self) -> tuple[list[str], list[str]]:
        """Return the special tokens before and after a sentence's words, as the tokenizer writes them."""
        sample = _encoded(self.loaded, Corpus.from_sentences([["a"]]), 0, 1, self.side)[0]
        names = self.loaded.tokenizer.convert_ids_to_tokens([*self._bos, *sample.ids])
        before, after = specials(np.array([-1] * len(self._bos) + sample.word_of))
        return names[:before], names[len(names) - after :]

    def _sources(self, start: int, stop: int) -> list[np.ndarray]:
        """Return the encoder's input for each target sentence, truncated if it is too long and that is allowed.

        Raises:
            CorpusError: a source sentence is too long, and ``long`` is not ``truncate``.
        """
        sources = []
        for number, encoded in enumerate(_encoded(self.loaded, self.corpus, start, stop, "source"), start):
            ids, longest = np.array(encoded.ids, dtype=np.int64), self.loaded.longest
            if longest is not None and len(ids) > longest:
                if self.options.long != "truncate":
                    raise too_long(self.loaded, self.corpus, number, len(ids), beside=True)
                word_of = np.array(encoded.word_of, dtype=np.int64)
                short = shorten(ids, word_of, longest, specials(word_of))
                ids = short[0].ids if short else ids[:longest]
            sources.append(ids)
        return sources


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
    """Return the error for a sentence that is longer than the model reads.

    Args:
        loaded: the model.
        corpus: the corpus of the sentence.
        number: index of the sentence.
        length: number of its subwords.
        side: the side of the model that reads it.
        beside: True for the source of a translation that is read, for which windows are impossible.
    """
    remedy = "use long=truncate" if beside else "use long=window or long=truncate"
    return CorpusError(
        f"sentence {number} (counted from 0) has {len(corpus.sentence(number))} words, {length} subwords, "
        f"but {loaded.identity.id} reads at most {loaded.longest_on(side)} subwords; {remedy} (--long), split "
        "the sentence or leave it out",
        corpus.source,
    )
