"""A metric that keeps the losses of predicted words apart by the words' labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from onegrain.metrics import Measurement
from onegrain.metrics.corpus_metric import CorpusMetric
from onegrain.metrics.measurement import ratio_measurement
from onegrain.models import LoadedModel
from onegrain.models.likelihoods import one_row_each, reading
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.scoring import scored_rows, subword_losses
from onegrain.models.word_losses import predicted_side, words_of_losses
from onegrain.records.corpus import Corpus
from onegrain.records.labels import LabelLayer

__all__ = ["SIGNATURE", "LabelLosses"]

SIGNATURE = ("word loss", "mean negative log-likelihood per predicted word, the sum over its subwords, nats")


class LabelLosses(CorpusMetric):
    """The mean negative log-likelihood of predicted words in nats, with the sums of each label.

    The loss of a word is the sum over its subwords. Words without a label and words that are not predicted are
    left out; see :class:`onegrain.models.word_losses.WordLosses`.

    Args:
        corpus: sentences; a translation model needs their translations as well.
        layer: the label of each word that is predicted: of the target side for a translation model.

    Raises:
        ParameterError: the corpus has no sentence.
    """

    NAME = "word loss"

    def __init__(self, corpus: Corpus, layer: LabelLayer) -> None:
        super().__init__(corpus)
        self._layer = layer

    @property
    def parameters(self) -> dict[str, Any]:
        """The label layer."""
        return {"layer": self._layer.name}

    @property
    def columns(self) -> tuple[str, ...]:
        """``nll:LABEL`` (nats) of every label, then ``words:LABEL`` of every label."""
        return tuple(f"{kind}:{label}" for kind in ("nll", "words") for label in self._layer.vocabulary)

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return one row per sentence, with the statistics of ``columns``.

        Raises:
            ParameterError: the model is an encoder, or a translation model and the corpus has no parallel side.
            CorpusError: a sentence is longer than the model reads.
        """
        model.require_loss()
        scored = scored_rows(model, self._corpus)
        offsets, labels = predicted_side(model, self._corpus).offsets, len(self._layer.vocabulary)
        codes, counts = [], np.zeros((len(scored.rows), labels))
        for number, words in enumerate(words_of_losses(model, scored)):
            code = np.full(len(words), -1, dtype=np.int64)
            code[words >= 0] = self._layer.codes[offsets[number] + words[words >= 0]]
            codes.append(code)
            counted = self._layer.codes[offsets[number] + np.unique(words[words >= 0])]
            counts[number] = np.bincount(counted[counted >= 0], minlength=labels)

        def score(numbers: np.ndarray) -> np.ndarray:
            with reading(self._corpus, numbers, scored.words):
                losses, _ = subword_losses(
                    model, [scored.rows[i] for i in numbers], [scored.labels[i] for i in numbers]
                )
            sums = np.zeros((len(numbers), labels + 1))
            for row, (number, values) in enumerate(zip(numbers, losses.cpu().numpy(), strict=True)):
                code = codes[number]
                sums[row] = np.bincount(code + 1, weights=values[: len(code)], minlength=labels + 1)
            return np.concatenate([sums[:, 1:], counts[numbers]], axis=1)

        return one_row_each(model, scored, self.columns, score)

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the mean over all words, with the statistics of each label; NaN without a predicted word."""
        nll, words = np.split(statistics, 2, axis=1)
        sums = np.stack([nll.sum(axis=1), words.sum(axis=1)], axis=1)
        of_all = ratio_measurement(sums, ("nll", "words"), (*SIGNATURE, *settings))
        return Measurement(
            of_all.value,
            of_all.low,
            of_all.high,
            of_all.signature,
            of_all.n_sentences,
            statistics,
            self.columns,
            of_all.draws,
        )
