"""Losses of a model on sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.models.batching import by_length
from onegrain.models.losses import IGNORED
from onegrain.models.padding import losses_need_equal_rows
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.predicting import predict, predicts_in_blocks
from onegrain.models.running import RunningModel
from onegrain.models.sites import Side
from onegrain.models.stacking import RowPass, run_rows
from onegrain.models.words import decoder_inputs
from onegrain.records.corpus import Corpus

__all__ = [
    "IGNORED",
    "ScoredBatch",
    "ScoredRows",
    "scored_batches",
    "scored_rows",
    "sentence_losses",
    "subword_losses",
]


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """The subwords of a corpus that a model reads and predicts, one list per sentence.

    Attributes:
        rows: ids that the language model or the encoder reads.
        labels: ids that are predicted; those of a language model are the rows, whose first id never is.
        words: for each side, the word of each subword that the model reads, -1 for a special subword.
        label_words: the word of each label, -1 for a special subword.
    """

    rows: list[list[int]]
    labels: list[list[int]]
    words: dict[Side, list[list[int]]]
    label_words: list[list[int]]


@torch.no_grad()
def sentence_losses(
    loaded: RunningModel, corpus: Corpus, batch_size: int, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Return negative log-likelihood (nats, float64) and number of predicted subwords (int64) per sentence.

    A language model predicts every subword after the first. If its tokenizer has a start token but does not
    add it, it is added here. A translation model predicts the target sentence and its end.

    Raises:
        CorpusError: a sentence is longer than the model reads.
    """
    scored = scored_rows(loaded, corpus)
    nll = np.zeros(len(scored.rows), dtype=np.float64)
    tokens = np.zeros(len(scored.rows), dtype=np.int64)
    with progress("score", len(nll), "sentences") as advance:
        for batch in scored_batches(loaded, corpus, scored, batch_size):
            losses, predicted = batch.losses(loaded)
            nll[batch.sentences] = losses.sum(1).cpu().numpy()
            tokens[batch.sentences] = predicted.sum(1).cpu().numpy()
            advance(len(batch.sentences))
    return nll, tokens


@dataclass(frozen=True, eq=False)
class ScoredBatch:
    """Sentences that are scored together.

    Attributes:
        sentences: int64 (batch,), their numbers.
        reading: which words the passes over them read.
        rows: see :class:`ScoredRows`.
        labels: see :class:`ScoredRows`.
    """

    sentences: np.ndarray
    reading: Rows
    rows: list[list[int]]
    labels: list[list[int]]

    def losses(self, loaded: RunningModel) -> tuple[Tensor, Tensor]:
        """Return the losses of one pass, and which subwords are predicted; see :func:`subword_losses`."""
        with reading_rows(self.reading):
            return subword_losses(loaded, self.rows, self.labels)


def scored_batches(
    loaded: RunningModel, corpus: Corpus, scored: ScoredRows, batch_size: int
) -> Iterator[ScoredBatch]:
    """Yield the sentences of a corpus in batches, longest first."""
    rows, labels, words = scored.rows, scored.labels, scored.words
    translates = loaded.task == "translation"
    sizes = [(len(row), len(label) if translates else 0) for row, label in zip(rows, labels, strict=True)]
    alike = sizes if losses_need_equal_rows(loaded) else None
    for batch in by_length([sum(size) for size in sizes], batch_size, alike=alike):
        reading = Rows(corpus, batch, {side: [of[i] for i in batch] for side, of in words.items()})
        yield ScoredBatch(batch, reading, [rows[i] for i in batch], [labels[i] for i in batch])


def subword_losses(
    loaded: RunningModel, rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]
) -> tuple[Tensor, Tensor]:
    """Return the loss of each subword, and a mask of the subwords that are predicted; both (batch, time).

    The loss is the negative log-likelihood in nats, float64 for every precision of the model, and 0 for
    subwords that are not predicted. It can be differentiated if gradients are enabled.

    Args:
        loaded: a language model or a translation model.
        rows: ids that the language model or the encoder reads.
        labels: ids that the translation model should write. For a language model the row again, with
            ``IGNORED`` for subwords that should not be predicted; the first subword never is.
    """

    def compute(pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> tuple[Tensor, Tensor]:
        predictions, wanted = predict(loaded, [row for row, _ in pairs], [label for _, label in pairs])
        return predictions.losses(wanted), wanted != IGNORED

    pairs = list(zip(rows, labels, strict=True))
    subwords = max((max(len(row), len(label)) for row, label in pairs), default=0)
    request = RowPass(pairs, compute, subwords, in_blocks=predicts_in_blocks(loaded))
    losses, predicted = run_rows(request)
    return losses, predicted


def scored_rows(loaded: RunningModel, corpus: Corpus) -> ScoredRows:
    """Return the rows and labels of a corpus, as :func:`subword_losses` takes them, and their words.

    Raises:
        ParameterError: the model translates and the corpus has no parallel side.
        CorpusError: a sentence is longer than the model reads.
    """
    sources = loaded.encode(list(corpus.sentences()), corpus.forms())
    rows = [encoded.ids for encoded in sources]
    if loaded.task == "translation":
        if corpus.target is None:
            raise ParameterError(f"{corpus.source} has no parallel side; read it with read_parallel")
        targets = loaded.encode_labels(list(corpus.target.sentences()), corpus.target.forms())
        labels = [row.ids for row in targets]
        loaded.require_fitting(corpus, rows)
        loaded.require_fitting(corpus.target, labels, "target")
        words: dict[Side, list[list[int]]] = {
            "source": [encoded.word_of for encoded in sources],
            "target": [decoder_inputs(loaded.model, row).word_of for row in targets],
        }
        return ScoredRows(rows, labels, words, [row.word_of for row in targets])
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    rows = [start + row for row in rows]
    loaded.require_fitting(corpus, rows)
    read = [[-1] * len(start) + encoded.word_of for encoded in sources]
    return ScoredRows(rows, rows, {"source": read}, read)
