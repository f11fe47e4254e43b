"""The log-likelihood of two continuations of each sentence of a corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onegrain.errors import CorpusError, ParameterError
from onegrain.models.likelihoods import COLUMNS
from onegrain.models.loaded import LoadedModel
from onegrain.models.padding import losses_need_equal_rows
from onegrain.models.passing import Rows, reading_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.scoring import IGNORED, subword_losses
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

__all__ = ["continuation_rows"]

_Row = tuple[list[int], list[int], list[int]]
"""The ids of a prompt and its continuation, those to predict or ``IGNORED``, and the prompt's word of each."""


def continuation_rows(
    loaded: LoadedModel, corpus: Corpus, continuations: Sequence[Sequence[str]]
) -> RowStatistics:
    """Return one row for each sentence and continuation: those of sentence 0 first, each a separate unit.

    Only the subwords of the continuation are predicted, given the sentence before them. The special subwords
    that end a sentence are left out.

    Args:
        loaded: a language model.
        corpus: the prompts.
        continuations: the words of each continuation.

    Raises:
        ParameterError: the model is not a language model, or does not read from left to right.
        CorpusError: a prompt has no words before its continuation, or a row is longer than the model reads.
    """
    if loaded.task != "language model":
        raise ParameterError(
            f"{loaded.identity.id} is not a language model, but a {loaded.task} model, which does not continue "
            "a prompt; compare sentences by minimal_pairs"
        )
    loaded.require_loss()
    each = [_continued(loaded, corpus, words) for words in continuations]
    rows = [of[number] for number in range(corpus.n_sentences) for of in each]
    sentences = np.repeat(np.arange(corpus.n_sentences, dtype=np.int64), len(each))

    def score(numbers: np.ndarray) -> np.ndarray:
        named = Rows(corpus, sentences[numbers], {"source": [rows[i][2] for i in numbers]})
        with reading_rows(named):
            losses, predicted = subword_losses(
                loaded, [rows[i][0] for i in numbers], [rows[i][1] for i in numbers]
            )
        return np.stack([losses.sum(1).cpu().numpy(), predicted.sum(1).cpu().numpy()], axis=1)

    sizes = [len(ids) for ids, _, _ in rows]
    return RowStatistics(
        sizes=sizes,
        units=np.arange(len(rows), dtype=np.int64),
        n_units=len(rows),
        columns=COLUMNS,
        score=score,
        alike=sizes if losses_need_equal_rows(loaded) else None,
    )


def _continued(loaded: LoadedModel, corpus: Corpus, words: Sequence[str]) -> list[_Row]:
    """Return the row of each sentence with one continuation."""
    forms = corpus.forms()
    longer = [[*sentence, *words] for sentence in corpus.sentences()]
    added = [Form(word) for word in words]
    encoded = loaded.encode(longer, None if forms is None else [[*form, *added] for form in forms])
    start = [] if loaded.bos_id is None else [loaded.bos_id]
    rows: list[_Row] = []
    for number, (row, sentence) in enumerate(zip(encoded, corpus.sentences(), strict=True)):
        stop = 1 + max((place for place, word in enumerate(row.word_of) if word >= 0), default=-1)
        ids, word_of = start + row.ids[:stop], [-1] * len(start) + row.word_of[:stop]
        labels = [
            subword if word >= len(sentence) else IGNORED for subword, word in zip(ids, word_of, strict=True)
        ]
        if not labels or labels[0] != IGNORED:
            raise CorpusError(
                f"sentence {number} (counted from 0) has no words before its continuation, and "
                f"{loaded.identity.id} reads no start token; give each prompt a word",
                corpus.source,
            )
        if all(label == IGNORED for label in labels):
            raise ParameterError(
                f"the tokenizer of {loaded.identity.id} has no subword for {' '.join(words)!r}; give others"
            )
        rows.append((ids, labels, [word if word < len(sentence) else -1 for word in word_of]))
    loaded.require_fitting(corpus, [ids for ids, _, _ in rows])
    return rows
