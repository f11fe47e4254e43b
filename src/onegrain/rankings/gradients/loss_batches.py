"""The rows on which a model's task loss is computed, with the word of each of their time steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from onegrain.activations.extraction.encoding import EncodedCorpus, too_long
from onegrain.activations.extraction.windows import Window, shorten, specials
from onegrain.errors import ParameterError
from onegrain.models.batching import Encoded, by_length
from onegrain.models.loaded import LoadedModel
from onegrain.models.scoring import IGNORED
from onegrain.models.sites import Side
from onegrain.models.words import decoder_inputs
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

__all__ = ["ScoredBatch", "ScoredRow", "Unit", "scored_sentences", "units_of"]

Encode = Callable[[Sequence[Sequence[str]], Sequence[Sequence[Form]] | None], list[Encoded]]


@dataclass(frozen=True)
class ScoredRow:
    """One row of subwords, with the subwords predicted from it and its words.

    Attributes:
        ids: subwords that the language model or the encoder reads.
        labels: subwords to predict, as :func:`onegrain.models.scoring.subword_losses` takes them.
        predicted: number of predicted subwords.
        word_of: int64 (time,), for the side that the sites read: the row of each subword's word in the record
            of activations, or -1 for a special subword.
        read: bool (time,), True where the word is read in this row; a word in several windows is read in one of
            them.
    """

    ids: list[int]
    labels: list[int]
    predicted: int
    word_of: Int64[np.ndarray, " time"]
    read: Bool[np.ndarray, " time"]


@dataclass(frozen=True)
class ScoredBatch:
    """The rows of one forward pass, with the words in a site's value (rows, time, width).

    Attributes:
        ids: subwords of each row.
        labels: subwords to predict of each row.
        predicted: number of predicted subwords of all rows.
        shape: number of rows, and of time steps of the longest row.
        steps: int64 (subwords,), positions of the time steps without padding, among rows x time.
        word_of: int64 (subwords,), see :class:`ScoredRow`.
        read: bool (subwords,), see :class:`ScoredRow`.
    """

    ids: list[list[int]]
    labels: list[list[int]]
    predicted: int
    shape: tuple[int, int]
    steps: Int64[np.ndarray, " subwords"]
    word_of: Int64[np.ndarray, " subwords"]
    read: Bool[np.ndarray, " subwords"]

    @classmethod
    def of(cls, rows: Sequence[ScoredRow]) -> ScoredBatch:
        """Return the batch of some rows."""
        longest = max(len(row.word_of) for row in rows)
        return cls(
            [row.ids for row in rows],
            [row.labels for row in rows],
            sum(row.predicted for row in rows),
            (len(rows), longest),
            np.concatenate([index * longest + np.arange(len(row.word_of)) for index, row in enumerate(rows)]),
            np.concatenate([row.word_of for row in rows]),
            np.concatenate([row.read for row in rows]),
        )


@dataclass(frozen=True)
class Unit:
    """Batches of rows that contain every occurrence of their words.

    Attributes:
        words: int64 (words,), rows of the record of activations, ascending.
        batches: one forward pass each.
    """

    words: Int64[np.ndarray, " words"]
    batches: list[ScoredBatch]


def scored_sentences(rows: EncodedCorpus) -> list[list[ScoredRow]]:
    """Return the rows of every sentence of a corpus; their losses sum to those of the sentences.

    They are the rows that :meth:`LoadedModel.sentence_losses` scores, after the start token if the model has
    one. A language model reads a sentence that is too long in several windows if the options allow it, and a
    subword counts in the window in which its word is read. Of a truncated sentence, only the words that fit are
    scored.

    Raises:
        ParameterError: the model predicts nothing, the corpus of a translation model has no parallel side, or
            words are scored after a start token but read without it, or the reverse.
        CorpusError: a sentence is longer than the model reads; translations are not scored in windows.
    """
    loaded = rows.loaded
    loaded.require_loss()
    if loaded.task == "translation":
        return list(_translations(rows))
    start = loaded.bos_id is not None
    if rows.options.bos != start:
        raise ParameterError(
            f"{loaded.identity.id} is scored {'behind' if start else 'without'} a start token, and its words "
            f"are read {'without' if start else 'behind'} it; leave bos out"
        )
    encoded = loaded.encode(list(rows.read.sentences()), rows.read.forms())
    return [_language(rows, number, rows.windows(number, sentence)) for number, sentence in enumerate(encoded)]


def units_of(
    sentences: Sequence[Sequence[ScoredRow]], batch_size: int, *, equal_rows: bool = False
) -> list[Unit]:
    """Divide sentences into units: batches of similar sentences, and single sentences with several windows.

    Rows without a subword, from which nothing can be predicted, are left out. With ``equal_rows``, all rows of
    a batch have the same length.
    """
    kept = [[row for row in rows if row.ids and row.labels] for rows in sentences]
    single = [rows[0] for rows in kept if len(rows) == 1]
    units = [_unit([batch]) for batch in _batches(single, batch_size, equal_rows)]
    return units + [_unit(_batches(rows, batch_size, equal_rows)) for rows in kept if len(rows) > 1]


def _unit(batches: list[ScoredBatch]) -> Unit:
    words = np.unique(np.concatenate([batch.word_of for batch in batches]))
    return Unit(words[words >= 0], batches)


def _batches(rows: Sequence[ScoredRow], batch_size: int, equal_rows: bool) -> list[ScoredBatch]:
    sizes = [(len(row.ids), len(row.labels)) for row in rows]
    batches = by_length([sum(size) for size in sizes], batch_size, alike=sizes if equal_rows else None)
    return [ScoredBatch.of([rows[index] for index in batch]) for batch in batches]


def _language(rows: EncodedCorpus, number: int, windows: Sequence[Window]) -> list[ScoredRow]:
    """Return a language model's rows: each subword counts where its word is read, specials at the ends."""
    base, scored = int(rows.words.offsets[number]), []
    for index, window in enumerate(windows):
        counted = window.word_of >= 0
        positions = np.flatnonzero(window.context >= 0)
        first, last = (int(positions[0]), int(positions[-1])) if positions.size else (len(counted), 0)
        counted[:first] |= index == 0
        counted[last + 1 :] |= index == len(windows) - 1
        labels = np.where(counted, window.ids, IGNORED)
        word_of = np.where(window.context >= 0, base + window.context, -1)
        predicted = int(counted[1:].sum())
        scored.append(ScoredRow(window.ids.tolist(), labels.tolist(), predicted, word_of, window.word_of >= 0))
    return scored


def _translations(rows: EncodedCorpus) -> Iterator[list[ScoredRow]]:
    loaded, corpus = rows.loaded, rows.corpus
    if corpus.target is None:
        raise ParameterError(
            f"{corpus.source} has no parallel side, on which the loss of {loaded.identity.id} is computed; "
            "read it with read_parallel"
        )
    sides = [
        _encoded(rows, corpus, loaded.encode, "source"),
        _encoded(rows, corpus.target, loaded.encode_labels, "target"),
    ]
    for number, (source, target) in enumerate(zip(*sides, strict=True)):
        if source is None or target is None:
            yield []
            continue
        subwords = source if rows.side == "source" else _shown(loaded, target)
        (window,) = rows.windows(number, subwords)
        word_of = np.where(window.word_of >= 0, int(rows.words.offsets[number]) + window.word_of, -1)
        yield [ScoredRow(source.ids, target.ids, len(target.ids), word_of, word_of >= 0)]


def _shown(loaded: LoadedModel, labels: Encoded) -> Encoded:
    """Return what the decoder reads while it writes the labels: all but the last of them."""
    shown, length = decoder_inputs(loaded.model, labels), len(labels.ids)
    return Encoded(shown.ids[:length], shown.word_of[:length])


def _encoded(rows: EncodedCorpus, corpus: Corpus, encode: Encode, side: Side) -> Iterator[Encoded | None]:
    """Yield the subwords of each sentence, cut if the options say so; None if not even its first word fits."""
    longest = rows.loaded.longest_on(side)
    for number, encoded in enumerate(encode(list(corpus.sentences()), corpus.forms())):
        if longest is None or len(encoded.ids) <= longest:
            yield encoded
        elif rows.options.long != "truncate":
            raise too_long(rows.loaded, corpus, number, len(encoded.ids), side=side, beside=True)
        else:
            ids, word_of = (np.array(values, dtype=np.int64) for values in (encoded.ids, encoded.word_of))
            short = shorten(ids, word_of, longest, specials(word_of))
            kept = int(short[0].context.max()) + 1 if short else 0
            forms = corpus.forms(number, number + 1)
            fitting = None if forms is None else [forms[0][:kept]]
            yield encode([corpus.sentence(number)[:kept]], fitting)[0] if short else None
