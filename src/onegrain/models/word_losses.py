"""Losses of words: the summed losses of the subwords that a word consists of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.models.running import RunningModel
from onegrain.models.scoring import ScoredRows, scored_batches, scored_rows
from onegrain.records.corpus import Corpus

__all__ = ["WordLosses", "predicted_side", "word_losses", "words_of_losses"]


@dataclass(frozen=True, eq=False)
class WordLosses:
    """The loss of each word that a model predicts.

    Attributes:
        corpus: the corpus whose words are predicted: the target side for a translation model.
        nll: float64 (words,), the negative log-likelihood of each word in nats, the sum over its subwords; 0
            for a word that is not predicted.
        predicted: bool (words,), True for a word that has subwords and all of them are predicted. The first
            word that a language model reads without a start token is not, nor is a word without a subword.
    """

    corpus: Corpus
    nll: np.ndarray
    predicted: np.ndarray


@torch.no_grad()
def word_losses(loaded: RunningModel, corpus: Corpus, batch_size: int, progress: Progress) -> WordLosses:
    """Return the loss of each word, predicted as in :func:`onegrain.models.scoring.sentence_losses`.

    A word that has no subword because it lies inside those of another word is not predicted; the other word has
    their loss.

    Raises:
        ParameterError: the model translates and the corpus has no parallel side.
        CorpusError: a sentence is longer than the model reads.
    """
    scored = scored_rows(loaded, corpus)
    side = predicted_side(loaded, corpus)
    nll, predicted = np.zeros(side.n_words), np.zeros(side.n_words, dtype=bool)
    words = words_of_losses(loaded, scored)
    with progress("score", len(scored.rows), "sentences") as advance:
        for batch in scored_batches(loaded, corpus, scored, batch_size):
            losses = batch.losses(loaded)[0].cpu().numpy()
            for values, sentence in zip(losses, batch.sentences, strict=True):
                counted = words[sentence] >= 0
                places = side.offsets[sentence] + words[sentence][counted]
                np.add.at(nll, places, values[: len(counted)][counted])
                predicted[places] = True
            advance(len(batch.sentences))
    return WordLosses(side, nll, predicted)


def predicted_side(loaded: RunningModel, corpus: Corpus) -> Corpus:
    """Return the corpus whose words a model predicts.

    Raises:
        ParameterError: the model translates and the corpus has no parallel side.
    """
    if loaded.task != "translation":
        return corpus
    if corpus.target is None:
        raise ParameterError(f"{corpus.source} has no parallel side; give a corpus with a target")
    return corpus.target


def words_of_losses(loaded: RunningModel, scored: ScoredRows) -> list[np.ndarray]:
    """Return for each sentence the word of each loss of a batch, int64; the losses of padding follow.

    The word is -1 for a special subword, and for those of a word of which a subword is not predicted.
    """
    first = 0 if loaded.task == "translation" else 1  # a language model does not predict its first subword
    words = []
    for row in scored.label_words:
        word_of = np.asarray(row, dtype=np.int64)
        words.append(np.where(np.isin(word_of[first:], word_of[:first]), -1, word_of[first:]))
    return words
