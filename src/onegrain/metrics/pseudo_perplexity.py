"""Pseudo-perplexity of a masked language model."""

from __future__ import annotations

import numpy as np

from onegrain.errors import ParameterError
from onegrain.metrics.corpus_metric import CorpusMetric
from onegrain.metrics.measurement import Measurement
from onegrain.metrics.perplexity import perplexity_measurement
from onegrain.models import LoadedModel
from onegrain.models.likelihoods import masked_rows
from onegrain.models.row_statistics import RowStatistics

__all__ = ["PseudoPerplexity"]

DEFINITION = ("pseudo-perplexity", "exp(mean negative log-likelihood per subword, each masked once, nats)")


class PseudoPerplexity(CorpusMetric):
    """Pseudo-perplexity, exp(mean negative log-likelihood per subword in nats), each subword masked once.

    A subword is predicted from all others of its sentence [Salazar et al., *Masked Language Model Scoring*, ACL
    2020]. The mean is over all subwords of the corpus; special subwords are neither masked nor predicted. A
    sentence of n subwords is read n times.

    Args:
        corpus: sentences.

    Raises:
        ParameterError: the corpus has no sentence.
    """

    NAME = "pseudo_perplexity"

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return one row per subword. The statistics are ``nll`` (nats) and ``subwords`` of each sentence.

        Raises:
            ParameterError: the model is not an encoder, or its tokenizer has no mask.
            ModelError: the checkpoint has no head that predicts masked subwords.
            CorpusError: a sentence is longer than the model reads.
        """
        if model.task != "encoder":
            raise ParameterError(
                f"pseudo_perplexity is for masked language models, and {model.identity.id} is a {model.task}"
                f"{' model' * (model.task == 'translation')}; use perplexity"
            )
        return masked_rows(model, self._corpus)

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the sentences' losses and numbers of subwords.

        Raises:
            ParameterError: no subword is predicted.
        """
        return perplexity_measurement(statistics, self._corpus, (*DEFINITION, *settings))
