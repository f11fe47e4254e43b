"""Losses of words: the summed losses of the subwords that a word consists of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from onegrain.core.progress import Progress
from onegrain.models.running import RunningModel
from onegrain.models.scoring import scored_batches, scored_rows
from onegrain.records.corpus import Corpus

__all__ = ["WordLosses", "word_losses"]


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
    words = corpus
    if loaded.task == "translation":
        assert corpus.target is not None  # scored_rows has refused a corpus without one
        words = corpus.target
    nll = np.zeros(words.n_words, dtype=np.float64)
    missing = np.zeros(words.n_words, dtype=np.int64)
    for start, word_of in zip(words.offsets[:-1], scored.label_words, strict=True):
        subwords = np.asarray(word_of, dtype=np.int64)
        np.add.at(missing, start + subwords[subwords >= 0], 1)
    has_subwords = missing > 0
    first = 0 if loaded.task == "translation" else 1  # a language model does not predict its first subword
    with progress("score", len(scored.rows), "sentences") as advance:
        for batch in scored_batches(loaded, corpus, scored, batch_size):
            losses, mask = (tensor.cpu().numpy() for tensor in batch.losses(loaded))
            for row, sentence in enumerate(batch.sentences.tolist()):
                subwords = np.asarray(scored.label_words[sentence][first:], dtype=np.int64)
                counted = (subwords >= 0) & mask[row, : len(subwords)]
                places = words.offsets[sentence] + subwords[counted]
                np.add.at(nll, places, losses[row, : len(subwords)][counted])
                np.add.at(missing, places, -1)
            advance(len(batch.sentences))
    predicted = has_subwords & (missing == 0)
    return WordLosses(words, np.where(predicted, nll, 0.0), predicted)
