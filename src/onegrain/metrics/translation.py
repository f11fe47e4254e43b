"""The base class of the metrics of translations, which are scored by sacrebleu."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from onegrain.core.bootstrap import quantile_interval
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.metrics.measurement import LEVEL, Measurement, Metric, resampled_scores
from onegrain.models import LoadedModel
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity

__all__ = ["TranslationMetric"]


class TranslationMetric(Metric):
    """A score of the model's translations against the corpus's parallel side, with words joined by spaces.

    A subclass gives sacrebleu's scorer and the names of its statistics. Sacrebleu keeps the statistics of each
    sentence apart and computes a score from their sum; both steps are methods of its metrics with a leading
    underscore, and are called in :meth:`_measurement` and :meth:`_score` only.
    """

    needs_target: ClassVar[bool] = True

    def __init__(self, corpus: Corpus, beams: int, lowercase: bool, max_new_tokens: int, **others: Any) -> None:
        if corpus.target is None:
            raise ParameterError(f"{corpus.source} has no parallel side; read it with read_parallel")
        if corpus.n_sentences == 0:
            raise ParameterError(f"{corpus.source} has no sentence to translate")
        for name, value in (("beams", beams), ("max_new_tokens", max_new_tokens)):
            if value < 1:
                raise ParameterError(f"{name} must be 1 or more, got {value}")
        self._corpus = corpus
        self._target = corpus.target
        self._references = [" ".join(sentence) for sentence in corpus.target.sentences()]
        self._beams = beams
        self._lowercase = lowercase
        self._max_new_tokens = max_new_tokens
        self._others = others

    @property
    def higher_is_better(self) -> bool:
        """True."""
        return True

    @property
    def corpus(self) -> Corpus:
        """The corpus that the model translates."""
        return self._corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings of the translation and of the comparison, and the identity of the references."""
        return {
            "beams": self._beams,
            "lowercase": self._lowercase,
            "max_new_tokens": self._max_new_tokens,
            "target": CorpusIdentity.of(self._target).model_dump(),
            **self._others,
        }

    def require(self, model: LoadedModel) -> None:
        """Check that a model translates.

        Raises:
            ParameterError: it is not a translation model.
            ModelError: the output layer is not in the checkpoint.
        """
        model.require_translation()

    def measure(
        self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = automatic
    ) -> Measurement:
        """Translate the corpus and score the translations.

        Raises:
            ParameterError: the model does not translate.
        """
        translations = model.translate(
            self._corpus,
            beams=self._beams,
            max_new_tokens=self._max_new_tokens,
            batch_size=batch_size,
            progress=progress,
        )
        settings = model.generation_settings(self._beams)
        fields = [f"{name}:{_compact(value)}" for name, value in settings.items() if name != "num_beams"]
        return self._measurement(translations, fields)

    def score(self, translations: list[str]) -> Measurement:
        """Score existing translations, one per sentence of the corpus."""
        return self._measurement(translations, [])

    def _measurement(self, translations: list[str], search_fields: list[str]) -> Measurement:
        if len(translations) != len(self._references):
            raise ParameterError(f"{len(translations)} translations for {len(self._references)} references")
        scorer = self._scorer()
        rows = scorer._extract_corpus_statistics(translations, [self._references])
        statistics = np.array(rows, dtype=np.float64)
        value = self._score(statistics.sum(0))
        draws = resampled_scores(statistics, self._score)
        low, high = (float(bound[0]) for bound in quantile_interval(draws[:, None], LEVEL))
        signature = "|".join([str(scorer.get_signature()), *search_fields, f"beams:{self._beams}"])
        return Measurement(value, low, high, signature, len(translations), statistics, self._columns(), draws)

    def _score(self, sums: np.ndarray) -> float:
        """Return the score of statistics summed over sentences, as sacrebleu computes it."""
        return float(self._scorer()._compute_score_from_stats(sums.astype(np.int64).tolist()).score)

    @abstractmethod
    def _scorer(self) -> Any:
        """Return sacrebleu's metric with the options chosen."""

    @abstractmethod
    def _columns(self) -> tuple[str, ...]:
        """Return the name of each of sacrebleu's statistics of a sentence, all of them counts."""


def _compact(value: Any) -> str:
    return str(value).replace(" ", "").lower()
