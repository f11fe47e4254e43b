"""Running a model over the sentences of a corpus and taking the values of its words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from onegrain.activations.alignment import Aggregate, Alignment, align, join
from onegrain.core.corpus import Corpus
from onegrain.core.space import NeuronSpace
from onegrain.errors import CorpusError, ModelError
from onegrain.models.batching import Encoded, by_length
from onegrain.models.hooks import Recording
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side, SitePoint

__all__ = ["Reader", "Row", "encode_rows", "longest_row"]

ENCODED_AT_ONCE = 1000


@dataclass(frozen=True)
class Row:
    """One sentence as the model reads it.

    Attributes:
        ids: int64 (time,), what the read side of the model is given.
        alignment: which time steps speak for which word.
        source: int64 (source time,), what the encoder reads while the decoder reads ``ids``; None elsewhere.
    """

    ids: np.ndarray
    alignment: Alignment
    source: np.ndarray | None = None


def encode_rows(loaded: LoadedModel, corpus: Corpus, side: Side, aggregate: Aggregate) -> list[Row]:
    """One row a sentence; every word is checked to have a subword, every row to fit the model.

    A decoder reads the start token and then the target's subwords without the end token, so a word's value
    is the decoder's state where the word's subword is its input.

    Raises:
        CorpusError: a word without subword, or a sentence that is longer than the model reads.
    """
    read = corpus.target if side == "target" and corpus.target is not None else corpus
    rows = []
    for number, encoded in enumerate(_encode(loaded, read)):
        shown = _behind_start(loaded, encoded) if side == "target" else encoded
        words = read.sentence(number)
        alignment = align(shown.word_of, len(words), aggregate)
        missing = np.flatnonzero(alignment.counts == 0)
        if missing.size:
            raise CorpusError(
                f"word {missing[0]} of sentence {number} (both counted from 0), {words[missing[0]]!r}, has "
                f"no subword in the tokenizer of {loaded.identity.id}; take it out of the corpus",
                read.source,
            )
        rows.append(Row(np.array(shown.ids, dtype=np.int64), alignment))
        _require_fit(loaded, read, number, len(shown.ids))
    if side == "source":
        return rows
    sources = [np.array(encoded.ids, dtype=np.int64) for encoded in _encode(loaded, corpus)]
    for number, source in enumerate(sources):
        _require_fit(loaded, corpus, number, len(source))
    return [Row(row.ids, row.alignment, source) for row, source in zip(rows, sources, strict=True)]


def longest_row(loaded: LoadedModel) -> int | None:
    """How many subwords the model reads at most; None where nothing bounds it, as in an LSTM."""
    return loaded.longest


class Reader:
    """Reads the words of a corpus at some sites, a stretch of words at a time.

    Args:
        loaded: the model.
        points: its sites that are read, all of one side.
        space: the neurons of those sites, in the same order.
        corpus: whose words are read.
        rows: one row a sentence of that corpus.
        batch_size: sentences in one forward pass.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        points: Sequence[SitePoint],
        space: NeuronSpace,
        corpus: Corpus,
        rows: Sequence[Row],
        batch_size: int,
    ) -> None:
        self.loaded = loaded
        self.points = points
        self.space = space
        self.corpus = corpus
        self.rows = rows
        self.batch_size = batch_size

    @torch.inference_mode()
    def read(self, start: int, stop: int) -> Float32[np.ndarray, "words neurons"]:
        """The values of the words ``start:stop``.

        The sentences that hold them are run whole, longest first; nothing outside them enters, so the result
        does not depend on what was read before.
        """
        offsets, sentence_of = self.corpus.offsets, self.corpus.sentence_of_word
        first, last = int(sentence_of[start]), int(sentence_of[stop - 1])
        sentences = np.arange(first, last + 1)
        sentences = sentences[np.diff(offsets)[first : last + 1] > 0]
        base = int(offsets[first])
        values = np.empty((int(offsets[last + 1]) - base, self.space.size), dtype=np.float32)
        lengths = [len(self.rows[sentence].ids) for sentence in sentences.tolist()]
        trimmed = _without_logits(self.loaded) if self._named_only() else nullcontext()
        with self.loaded.recording(self.points) as record, trimmed:
            for batch in by_length(lengths, self.batch_size):
                chosen = sentences[batch].tolist()
                rows = [self.rows[sentence] for sentence in chosen]
                words = np.concatenate([np.arange(offsets[s], offsets[s + 1]) for s in chosen])
                record.clear()
                self._run(rows)
                values[words - base] = self._take(record, rows, words)
        return values[start - base : stop - base]

    def _run(self, rows: Sequence[Row]) -> None:
        ids = [row.ids.tolist() for row in rows]
        sources = [row.source.tolist() for row in rows if row.source is not None]
        if sources:
            self.loaded.forward(sources, ids)
        elif self.loaded.task == "translation":
            self.loaded.model.get_encoder()(**self.loaded.batch(ids))
        else:
            self.loaded.forward(ids)

    def _take(self, record: Recording, rows: Sequence[Row], words: np.ndarray) -> np.ndarray:
        """float32 (words, neurons): what the sites held at the words of the rows; ``words`` numbers them."""
        times = np.concatenate([row.alignment.positions for row in rows])
        at = np.repeat(np.arange(len(rows)), [len(row.alignment.positions) for row in rows])
        counts = np.concatenate([row.alignment.counts for row in rows])
        taken = np.empty((len(counts), self.space.size), dtype=np.float32)
        shape = (len(rows), max(len(row.ids) for row in rows))
        for point in self.points:
            value = _value(record, point, shape)
            picked = value[torch.from_numpy(at), torch.from_numpy(times)].float().cpu().numpy()
            taken[:, self.space.slice(point.name)] = join(picked, counts)
        self._require_finite(taken, words)
        return taken

    def _require_finite(self, taken: np.ndarray, words: np.ndarray) -> None:
        bad = np.argwhere(~np.isfinite(taken))
        if len(bad):
            row, column = bad[0]
            word = int(words[row])
            raise ModelError(
                f"{self.loaded.identity.id} gives {taken[row, column]} at {self.space.name(int(column))} for "
                f"word {word} ({self.corpus.words[word]!r}, sentence {self.corpus.sentence_of_word[word]}); "
                "load the model in float32, or leave out that site"
            )

    def _named_only(self) -> bool:
        return all(self.loaded.points.get(point.name) == point for point in self.points)


@contextmanager
def _without_logits(loaded: LoadedModel) -> Iterator[None]:
    """Let the output projection, the dearest part, see one subword alone: no named site lies above it."""
    head = loaded.model.get_output_embeddings()
    if head is None:
        yield
        return
    handle = head.register_forward_pre_hook(lambda module, inputs: (inputs[0][:, -1:], *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


def _value(record: Recording, point: SitePoint, shape: tuple[int, int]) -> Tensor:
    if point.name not in record:
        raise ModelError(f"nothing passed site {point.name!r} while the {point.side} words were read")
    value = record[point.name]
    if tuple(value.shape[:-1]) != shape:
        raise ModelError(
            f"site {point.name!r} holds values of shape {tuple(value.shape)}, not one vector for each of "
            f"{shape[0]} x {shape[1]} subwords; it cannot be read word by word"
        )
    return value


def _encode(loaded: LoadedModel, corpus: Corpus) -> Iterator[Encoded]:
    """The subwords of every sentence; an empty sentence has those of an empty text."""
    for start in range(0, corpus.n_sentences, ENCODED_AT_ONCE):
        stop = min(start + ENCODED_AT_ONCE, corpus.n_sentences)
        sentences = [corpus.sentence(number) for number in range(start, stop)]
        encoded = iter(loaded.encode([words for words in sentences if words]))
        for words in sentences:
            yield next(encoded) if words else _encode_nothing(loaded)


def _encode_nothing(loaded: LoadedModel) -> Encoded:
    ids = list(loaded.tokenizer("")["input_ids"])
    return Encoded(ids, [-1] * len(ids))


def _behind_start(loaded: LoadedModel, encoded: Encoded) -> Encoded:
    start = getattr(loaded.model.config, "decoder_start_token_id", None)
    if start is None:
        raise ModelError(f"the configuration of {loaded.identity.id} names no decoder_start_token_id")
    ended = bool(encoded.word_of) and encoded.word_of[-1] == -1
    ids, word_of = (encoded.ids[:-1], encoded.word_of[:-1]) if ended else (encoded.ids, encoded.word_of)
    return Encoded([int(start), *ids], [-1, *word_of])


def _require_fit(loaded: LoadedModel, corpus: Corpus, number: int, length: int) -> None:
    longest = longest_row(loaded)
    if longest is not None and length > longest:
        raise CorpusError(
            f"sentence {number} (counted from 0) has {len(corpus.sentence(number))} words, {length} subwords, "
            f"but {loaded.identity.id} reads at most {longest} subwords; split the sentence or leave it out",
            corpus.source,
        )
