"""Perplexity of documents, read in windows with a stride."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.metrics.corpus_metric import CorpusMetric
from onegrain.metrics.measurement import Measurement
from onegrain.metrics.perplexity import perplexity_measurement
from onegrain.models import LoadedModel
from onegrain.models.row_statistics import RowStatistics
from onegrain.models.windows import window_rows, window_size
from onegrain.records.corpus import Corpus

__all__ = ["DocumentPerplexity"]

DEFINITION = ("document perplexity", "exp(mean negative log-likelihood per predicted subword, nats)")


class DocumentPerplexity(CorpusMetric):
    """Perplexity of documents in windows, exp(mean negative log-likelihood per predicted subword, in nats).

    A document is one text, so that a sentence is predicted from those before it. It is read in windows of
    ``window`` subwords that begin ``stride`` subwords apart; each window predicts what the one before it did
    not reach, and the subwords that they share are context only [Radford et al., *Language Models are
    Unsupervised Multitask Learners*, 2019, and the guide *Perplexity of fixed-length models* of transformers].
    The tokenizer encodes the text of a document as it is, with the special subwords that it adds by itself; the
    first subword of a document is not predicted.

    The bootstrap draws documents, or windows if there is one document.

    Args:
        corpus: documents, as the source of the corpus divides it: ``# newdoc`` in CoNLL-U, ``-DOCSTART-`` in
            columns, blank lines in plain text; otherwise the corpus is one document. Text that was read with
            ``format="text"`` is one document with the white space of the file.
        window: the largest number of subwords in a window; by default the longest row that the model reads, and
            1,024 for a model without a limit.
        stride: the subwords from the beginning of a window to that of the next; by default half the window.
        separator: the text between two sentences of a document, unless the corpus says it.

    Raises:
        ParameterError: the corpus has no sentence, the window is below 2, or the stride is not from 1 to the
            window.
    """

    NAME = "document_perplexity"

    def __init__(
        self, corpus: Corpus, *, window: int | None = None, stride: int | None = None, separator: str = "\n"
    ) -> None:
        super().__init__(corpus)
        if window is not None:
            require_count("window", window, 2)
        if stride is not None:
            require_count("stride", stride, 1, window)
        if not isinstance(separator, str):
            raise ParameterError(f"separator must be text, got {separator!r}")
        self._window, self._stride, self._separator = window, stride, separator

    @property
    def parameters(self) -> dict[str, Any]:
        """Window, stride and separator as they were given, and the division into documents."""
        documents = self._corpus.documents
        return {
            "window": self._window,
            "stride": self._stride,
            "separator": self._separator,
            "documents": len(documents) - 1,
            "division": hashlib.sha256(documents.tobytes()).hexdigest()[:12],
        }

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return one row per window. The statistics are ``nll`` (nats) and ``subwords`` of each document.

        If there is one document, they are those of each window.

        Raises:
            ParameterError: the model is not a language model that reads from left to right, the window is
                longer than it reads, or the stride is longer than the window.
        """
        if model.task != "language model":
            raise ParameterError(
                f"document_perplexity is for language models, and {model.identity.id} is "
                f"{'a translation model' if model.task == 'translation' else 'an encoder'}"
            )
        model.require_loss()
        window = window_size(model, self._window)
        stride = max(1, window // 2) if self._stride is None else self._stride
        require_count("stride", stride, 1, window)
        one_document = len(self._corpus.documents) == 2
        return window_rows(model, self._corpus, window, stride, self._separator, per_window=one_document)

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the losses and numbers of subwords of the documents, or of windows.

        Raises:
            ParameterError: no subword is predicted.
        """
        return perplexity_measurement(statistics, self._corpus, (*DEFINITION, *settings))
