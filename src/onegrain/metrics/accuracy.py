"""Accuracy of a classifier of sentences or of words."""

from __future__ import annotations

from typing import Any

import numpy as np

from onegrain.errors import ParameterError
from onegrain.metrics.measurement import Measurement, RowMetric, ratio_measurement
from onegrain.models import LoadedModel
from onegrain.models.classification import COLUMNS, classification_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.corpus import Corpus
from onegrain.records.identity import corpus_digest

__all__ = ["Accuracy"]


class Accuracy(RowMetric):
    """The share (0 to 1) of sentences, or of words, whose class an encoder with a classifier predicts.

    The classifier is the head in the model's folder, for sentences (``ForSequenceClassification``) or for words
    (``ForTokenClassification``), which is read at the first subword of each word. Sentences or words without a
    label are not counted.

    Args:
        corpus: sentences with labels.
        layer: the layer that holds the labels: the names of the model's classes, or their numbers. All labelled
            words of a sentence carry the same label if the classifier is one of sentences.

    Raises:
        ParameterError: the corpus has no sentence.
        LabelError: the corpus lacks the layer.
    """

    def __init__(self, corpus: Corpus, *, layer: str = "label") -> None:
        if corpus.n_sentences == 0:
            raise ParameterError(f"{corpus.source} has no sentence to classify")
        corpus.layer(layer)
        self._corpus, self._layer = corpus, layer

    @property
    def name(self) -> str:
        """``accuracy``."""
        return "accuracy"

    @property
    def higher_is_better(self) -> bool:
        """True."""
        return True

    @property
    def corpus(self) -> Corpus:
        """The labelled sentences."""
        return self._corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """The layer, and the hash of the corpus with its labels."""
        return {"layer": self._layer, "labelled": corpus_digest(self._corpus)}

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return one row per sentence. The statistics are ``correct`` and ``labelled`` of each sentence.

        Raises:
            ParameterError: the model is not an encoder, or its output is not one class among several.
            ModelError: the checkpoint has no classifier.
            LabelError: a label is not a class of the model.
            CorpusError: a sentence has two labels, or nothing is labelled.
        """
        return classification_rows(model, self._corpus, self._layer)

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the sentences' numbers of right predictions and of labels."""
        signature = ("accuracy", f"layer:{self._layer}", *settings)
        return ratio_measurement(statistics, COLUMNS, signature)
