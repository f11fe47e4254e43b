"""Minimal pairs: is the good sentence likelier than the bad one?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from onegrain.errors import CorpusError
from onegrain.metrics.measurement import Measurement, RowMetric, ratio_measurement
from onegrain.metrics.pairing import paired
from onegrain.models import LoadedModel
from onegrain.models.likelihoods import text_likelihood_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.corpus import Corpus
from onegrain.records.minimal_pairs import PARADIGM, require_minimal_pairs, sentence_form
from onegrain.records.provenance import CorpusIdentity

__all__ = ["MinimalPairDifference", "MinimalPairs"]

COLUMNS = ("preferred", "difference", "pairs")


class _PairMetric(RowMetric):
    """A comparison of the log-likelihoods of the two sentences of minimal pairs.

    Args:
        corpus: the pairs.

    Raises:
        CorpusError: the sentences are not good and bad in turn, the pairs are of several paradigms, or a pair's
            sentences are equal.
    """

    definition: ClassVar[str]
    column: ClassVar[int]

    def __init__(self, corpus: Corpus) -> None:
        require_minimal_pairs(corpus)
        self._corpus = corpus

    @property
    def higher_is_better(self) -> bool:
        """True."""
        return True

    @property
    def corpus(self) -> Corpus:
        """The pairs: good and bad sentences in turn."""
        return self._corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """The paradigm, and the identity of the parallel side, where the corpus has them."""
        layer, target = self._corpus.layers.get(PARADIGM), self._corpus.target
        return {
            **({"paradigm": layer.vocabulary[0]} if layer is not None and layer.vocabulary else {}),
            **({"target": CorpusIdentity.of(target).model_dump()} if target is not None else {}),
        }

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return the rows of all sentences, with the log-likelihoods of each pair's sentences as statistics.

        Raises:
            ParameterError: the model gives no likelihood, or translates and the corpus has no parallel side.
            ModelError: the checkpoint of an encoder has no head that predicts masked subwords.
            CorpusError: a pair is equal on the side that the model predicts, or a sentence is longer than the
                model reads.
        """
        self._require_contrast(model)
        return paired(text_likelihood_rows(model, self._corpus), ("good", "bad"))

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the pairs' log-likelihoods.

        Its statistics are ``preferred`` (1 or 0), ``difference`` (nats) and ``pairs`` (1) of each pair.
        """
        good, bad = statistics.T
        difference = good - bad
        preferred = np.where(difference > 0, 1.0, 0.0 * difference)  # NaN stays NaN
        return ratio_measurement(
            np.stack([preferred, difference, np.ones(len(difference))], axis=1),
            COLUMNS,
            ("minimal pairs", self.definition, *settings),
            ratio=(self.column, 2),
        )

    def _require_contrast(self, model: LoadedModel) -> None:
        """Check that each pair differs on the side that the model predicts."""
        translates, target = model.task == "translation", self._corpus.target
        if translates and target is None:
            return  # the missing parallel side is refused when the rows are made
        side = target if translates and target is not None else self._corpus
        for number in range(0, side.n_sentences, 2):
            if sentence_form(side, number) == sentence_form(side, number + 1):
                raise CorpusError(
                    f"the sentences of pair {number // 2} (counted from 0) are equal on the side that "
                    f"{model.identity.id} predicts; pairs for a translation model differ in the parallel side, "
                    "and pairs for any other model in the corpus itself",
                    side.source,
                )


class MinimalPairs(_PairMetric):
    """The share (0 to 1) of minimal pairs of which the good sentence is likelier than the bad one.

    The two sentences of a pair differ in one thing, such as the number of a verb [Warstadt et al., *BLiMP: The
    Benchmark of Linguistic Minimal Pairs for English*, TACL 2020]. The log-likelihood of a sentence is the sum
    over all its subwords: that of a language model given the start token, that of a translation model given the
    source sentence [Sennrich, *How Grammatical is Character-level Neural Machine Translation?*, EACL 2017], and
    the pseudo-log-likelihood of a masked language model [Salazar et al., *Masked Language Model Scoring*, ACL
    2020]. The tokenizer encodes each sentence as it is, without a space before its first word, so that values
    can be compared with published ones. A pair of equal likelihoods does not count as one whose good sentence
    is likelier.

    Args:
        corpus: minimal pairs, from :func:`onegrain.read_corpus` or :func:`onegrain.sandbox_pairs`: sentences 2i
            and 2i + 1 are the good and the bad sentence of pair i, by the layer ``acceptability``. For a
            translation model, the sentences to compare are those of the parallel side.

    Raises:
        CorpusError: the sentences are not good and bad in turn, the pairs are of several paradigms, or a pair's
            sentences are equal.
    """

    definition = "share of pairs whose good sentence is likelier"
    column = 0

    @property
    def name(self) -> str:
        """``minimal_pairs``."""
        return "minimal_pairs"


class MinimalPairDifference(_PairMetric):
    """The mean log-likelihood of the good sentence less that of the bad one, in nats, over minimal pairs.

    Pairs and likelihoods are those of :class:`MinimalPairs`, which asks only which sentence is likelier; this
    metric also says by how much, and so changes with smaller edits.

    Args:
        corpus: minimal pairs.

    Raises:
        CorpusError: as for :class:`MinimalPairs`.
    """

    definition = "mean log-likelihood of the good sentence less that of the bad one, nats"
    column = 1

    @property
    def name(self) -> str:
        """``minimal_pair_difference``."""
        return "minimal_pair_difference"
