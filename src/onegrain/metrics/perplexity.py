"""Perplexity of a model, and of subword frequencies as a baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onegrain.errors import ParameterError
from onegrain.metrics.corpus_metric import CorpusMetric
from onegrain.metrics.measurement import Measurement, ratio_measurement
from onegrain.models import LoadedModel
from onegrain.models.likelihoods import COLUMNS, sentence_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.corpus import Corpus

__all__ = ["Perplexity", "perplexity_measurement", "unigram_perplexity"]

DEFINITION = ("perplexity", "exp(mean negative log-likelihood per predicted subword, nats)")


class Perplexity(CorpusMetric):
    """Perplexity, exp(mean negative log-likelihood per predicted subword, in nats).

    The mean is over all predicted subwords of the corpus, not over sentences. A language model predicts
    every subword after the first, or after the start token if it reads one; a translation model predicts the
    target's subwords given the source. Both predict the end of the sentence if their tokenizer marks it.
    Perplexities of models with different vocabularies cannot be compared.

    Args:
        corpus: sentences; a translation model needs their translations as well.

    Raises:
        ParameterError: the corpus has no sentence.
    """

    NAME = "perplexity"

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return one row per sentence. The statistics are ``nll`` (nats) and ``subwords`` of each sentence.

        Raises:
            ParameterError: the model is an encoder, or a translation model and the corpus has no parallel side.
            CorpusError: a sentence is longer than the model reads.
        """
        return sentence_rows(model, self._corpus)

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the sentences' losses and numbers of subwords.

        Raises:
            ParameterError: no subword is predicted.
        """
        return perplexity_measurement(statistics, self._corpus, (*DEFINITION, *settings))


def perplexity_measurement(statistics: np.ndarray, corpus: Corpus, signature: Sequence[str]) -> Measurement:
    """Return the exponential of the mean loss.

    Args:
        statistics: float64 (sentences, 2): negative log-likelihood in nats, and predicted subwords.
        corpus: the corpus, for messages.
        signature: the definition of the loss, and fields of the form ``name:value``.

    Raises:
        ParameterError: no subword is predicted.
    """
    if not statistics[:, 1].sum():
        raise ParameterError(f"no subword of {corpus.source} is predicted; perplexity needs one at least")
    return ratio_measurement(statistics, COLUMNS, signature, np.exp)


def unigram_perplexity(model: LoadedModel, train: Corpus, corpus: Corpus, *, add: float = 1.0) -> Measurement:
    """Return the perplexity of subword frequencies, the baseline of a model that ignores context.

    p(subword) = (count in train + add) / (subwords in train + add * vocabulary), which is Laplace's rule for
    ``add`` = 1. The subwords predicted are those that :class:`Perplexity` predicts with the same model, so the
    two values can be compared.

    Args:
        model: the model whose tokenizer divides words; its weights are not used.
        train: corpus in which subwords are counted; for a translation model on its target side.
        corpus: corpus that is predicted.
        add: count added to every subword of the vocabulary.

    Raises:
        ParameterError: ``add`` is not above zero, or nothing is predicted.
    """
    if not add > 0:
        raise ParameterError(
            f"add must be above 0, got {add}: a subword that training lacks would have probability 0"
        )
    size = len(model.tokenizer)
    counts = np.zeros(size, dtype=np.float64)
    for ids in _predicted(model, train):
        np.add.at(counts, ids, 1.0)
    surprise = np.log(counts.sum() + add * size) - np.log(counts + add)
    rows = _predicted(model, corpus)
    nll = np.array([surprise[ids].sum() for ids in rows])
    subwords = np.array([len(ids) for ids in rows], dtype=np.int64)
    signature = ("unigram perplexity", f"add:{add:g}", f"train:{train.content_hash[:12]}")
    return perplexity_measurement(np.stack([nll, subwords], axis=1).astype(np.float64), corpus, signature)


def _predicted(model: LoadedModel, corpus: Corpus) -> list[np.ndarray]:
    """Return the subwords (int64) of each sentence that the model is asked to predict."""
    if model.task == "translation":
        if corpus.target is None:
            raise ParameterError(f"{corpus.source} has no parallel side; read it with read_parallel")
        encoded = model.encode_labels(list(corpus.target.sentences()), corpus.target.forms())
        return [np.array(row.ids, dtype=np.int64) for row in encoded]
    first = 1 if model.bos_id is None else 0  # without a start token the first subword is read only
    encoded = model.encode(list(corpus.sentences()), corpus.forms())
    return [np.array(row.ids[first:], dtype=np.int64) for row in encoded]
