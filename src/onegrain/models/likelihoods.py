"""The log-likelihood of sentences: read from left to right, or with each subword masked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.models.heads import Head
from onegrain.models.loaded import LoadedModel
from onegrain.models.losses import exact_losses
from onegrain.models.padding import head_needs_equal_rows, losses_need_equal_rows
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.scoring import ScoredRows, scored_rows, subword_losses
from onegrain.models.sites import Side
from onegrain.models.stacking import RowPass, run_rows
from onegrain.models.texts import EncodedText, encode_sentences
from onegrain.records.corpus import Corpus

__all__ = ["COLUMNS", "masked_rows", "one_row_each", "reading", "sentence_rows", "text_likelihood_rows"]

COLUMNS = ("nll", "subwords")
"""The statistics of a row: its negative log-likelihood in nats, and the number of predicted subwords."""


def text_likelihood_rows(loaded: LoadedModel, corpus: Corpus) -> RowStatistics:
    """Return the rows whose losses add up to the negative log-likelihood of each sentence as running text.

    The tokenizer encodes a sentence by itself, see :func:`onegrain.models.texts.encode_sentences`; those of a
    translation model are encoded as for perplexity. It is the pseudo-log-likelihood for an encoder, see
    :func:`masked_rows`, and the log-likelihood for any other model, see :func:`sentence_rows`.

    Raises:
        ParameterError, ModelError: the model gives no likelihood.
        CorpusError: a sentence is longer than the model reads.
    """
    if loaded.task == "translation":
        return sentence_rows(loaded, corpus)
    if loaded.task == "encoder":
        loaded.head("masked language model")  # refused before anything is encoded
        return masked_rows(loaded, corpus, encode_sentences(loaded, corpus))
    loaded.require_loss()
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    encoded = encode_sentences(loaded, corpus)
    rows = [start + row.ids for row in encoded]
    loaded.require_fitting(corpus, rows)
    words = [[-1] * len(start) + row.word_of for row in encoded]
    return _sentence_rows(loaded, corpus, ScoredRows(rows, rows, {"source": words}, words))


def sentence_rows(loaded: LoadedModel, corpus: Corpus) -> RowStatistics:
    """Return one row per sentence, of which every subword is predicted from those before it.

    What is predicted is described at :func:`onegrain.models.scoring.sentence_losses`.

    Raises:
        ParameterError: the model does not predict from left to right, or translates and the corpus has no
            parallel side.
        CorpusError: a sentence is longer than the model reads.
    """
    loaded.require_loss()
    return _sentence_rows(loaded, corpus, scored_rows(loaded, corpus))


def _sentence_rows(loaded: LoadedModel, corpus: Corpus, scored: ScoredRows) -> RowStatistics:
    def score(numbers: np.ndarray) -> np.ndarray:
        with reading(corpus, numbers, scored.words):
            losses, predicted = subword_losses(
                loaded, [scored.rows[i] for i in numbers], [scored.labels[i] for i in numbers]
            )
        return np.stack([losses.sum(1).cpu().numpy(), predicted.sum(1).cpu().numpy()], axis=1)

    return one_row_each(loaded, scored, COLUMNS, score)


def one_row_each(
    loaded: LoadedModel,
    scored: ScoredRows,
    columns: tuple[str, ...],
    score: Callable[[np.ndarray], np.ndarray],
) -> RowStatistics:
    """Return rows of one sentence each; the arguments are those of :class:`RowStatistics`."""
    translates = loaded.task == "translation"
    sizes = [
        (len(row), len(label) if translates else 0)
        for row, label in zip(scored.rows, scored.labels, strict=True)
    ]
    return RowStatistics(
        sizes=[sum(size) for size in sizes],
        units=np.arange(len(sizes), dtype=np.int64),
        n_units=len(sizes),
        columns=columns,
        score=score,
        alike=sizes if losses_need_equal_rows(loaded) else None,
    )


def masked_rows(
    loaded: LoadedModel, corpus: Corpus, texts: Sequence[EncodedText] | None = None
) -> RowStatistics:
    """Return one row for each subword of each sentence, in which this subword is masked and predicted.

    The sum over a sentence's rows is its negative pseudo-log-likelihood [Salazar et al., *Masked Language Model
    Scoring*, ACL 2020]. Special subwords are neither masked nor predicted.

    Args:
        loaded: an encoder.
        corpus: the sentences.
        texts: the subwords of each sentence; by default those of :meth:`LoadedModel.encode`.

    Raises:
        ParameterError: the model is not an encoder, or its tokenizer has no mask.
        ModelError: the checkpoint has no head that predicts masked subwords.
        CorpusError: a sentence is longer than the model reads.
    """
    head = loaded.head("masked language model")
    mask = loaded.tokenizer.mask_token_id
    if mask is None:
        raise ParameterError(f"the tokenizer of {loaded.identity.id} has no mask token to predict subwords at")
    if texts is None:
        encoded = loaded.encode(list(corpus.sentences()), corpus.forms())
        special = [tuple(word < 0 for word in row.word_of) for row in encoded]
        ids, words = [row.ids for row in encoded], [row.word_of for row in encoded]
    else:
        special = [text.special for text in texts]
        ids, words = [text.ids for text in texts], [text.word_of for text in texts]
    loaded.require_fitting(corpus, ids)
    masked = [
        (number, place) for number, marks in enumerate(special) for place, mark in enumerate(marks) if not mark
    ]
    sentences = np.array([number for number, _ in masked], dtype=np.int64)
    sizes = [len(ids[number]) for number, _ in masked]

    def score(numbers: np.ndarray) -> np.ndarray:
        chosen = [masked[i] for i in numbers]
        rows = [[*ids[n][:place], mask, *ids[n][place + 1 :]] for n, place in chosen]
        wanted = [ids[n][place] for n, place in chosen]
        with reading(corpus, sentences[numbers], {"source": words}):
            losses = _masked_losses(head, rows, [place for _, place in chosen], wanted)
        return np.stack([losses, np.ones(len(losses))], axis=1)

    return RowStatistics(
        sizes=sizes,
        units=sentences,
        n_units=corpus.n_sentences,
        columns=COLUMNS,
        score=score,
        alike=sizes if head_needs_equal_rows(loaded, head) else None,
    )


def reading(
    corpus: Corpus, sentences: np.ndarray, words: Mapping[Side, Sequence[Sequence[int]]]
) -> AbstractContextManager[None]:
    """Name the sentences that a pass reads, and the word of each of their subwords.

    Args:
        corpus: the corpus.
        sentences: int64 (rows,), the sentence of each row.
        words: for each side, the word of each subword of every sentence of the corpus.
    """
    named: dict[Side, Sequence[Sequence[int]]] = {
        side: [of[number] for number in sentences] for side, of in words.items()
    }
    return reading_rows(Rows(corpus, sentences, named))


def _masked_losses(head: Head, rows: list[list[int]], places: list[int], wanted: list[int]) -> np.ndarray:
    """Return the loss of the wanted subword at one place of each row, float64 (rows,)."""

    def compute(chosen: Sequence[tuple[list[int], int, int]]) -> tuple[Tensor]:
        logits = head.logits_at([row for row, _, _ in chosen], [place for _, place, _ in chosen])
        subwords = torch.tensor([subword for _, _, subword in chosen], device=logits.device)
        return (exact_losses(logits, subwords),)

    (losses,) = run_rows(RowPass(list(zip(rows, places, wanted, strict=True)), compute, max(map(len, rows))))
    values: np.ndarray = losses.cpu().numpy()
    return values
