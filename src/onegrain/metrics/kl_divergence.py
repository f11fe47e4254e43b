"""The Kullback-Leibler divergence of the edited model's predictions from those of the untouched model."""

from __future__ import annotations

import numpy as np

from onegrain.errors import ParameterError
from onegrain.metrics.corpus_metric import CorpusMetric
from onegrain.metrics.measurement import Measurement, ratio_measurement
from onegrain.models import LoadedModel
from onegrain.models.divergence import COLUMNS, divergence_rows
from onegrain.models.row_statistics import RowStatistics

__all__ = ["KLDivergence"]

DEFINITION = ("KL divergence", "mean KL(untouched, edited) per predicted subword, nats")


class KLDivergence(CorpusMetric):
    """The mean of KL(untouched || edited) over predicted subwords, in nats.

    It says how far an edit moves the whole distribution over the vocabulary, whether or not the subword
    in the corpus becomes less likely; 0 for the untouched model [Kullback and Leibler, *On Information and
    Sufficiency*, 1951]. The subwords are those that :class:`Perplexity` predicts. Each batch is read twice,
    with the edits and without.

    Args:
        corpus: sentences; a translation model needs their translations as well.

    Raises:
        ParameterError: the corpus has no sentence.
    """

    NAME = "kl_divergence"

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return one row per sentence. The statistics are ``kl`` (nats) and ``subwords`` of each sentence.

        Raises:
            ParameterError: the model is an encoder, or a translation model and the corpus has no parallel side.
            CorpusError: a sentence is longer than the model reads.
        """
        return divergence_rows(model, self._corpus)

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the sentences' divergences and numbers of subwords.

        Raises:
            ParameterError: no subword is predicted.
        """
        if not statistics[:, 1].sum():
            raise ParameterError(f"no subword of {self._corpus.source} is predicted; give longer sentences")
        return ratio_measurement(statistics, COLUMNS, (*DEFINITION, *settings))
