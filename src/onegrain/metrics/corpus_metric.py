"""The base of metrics of which lower values are better, on a corpus that has sentences."""

from __future__ import annotations

from typing import Any, ClassVar

from onegrain.errors import ParameterError
from onegrain.metrics.measurement import RowMetric
from onegrain.records.corpus import Corpus

__all__ = ["CorpusMetric"]


class CorpusMetric(RowMetric):
    """A metric that depends on the model and a corpus, and of which lower values are better.

    Args:
        corpus: the corpus.

    Attributes:
        NAME: the metric's name in the registry.

    Raises:
        ParameterError: the corpus has no sentence.
    """

    NAME: ClassVar[str]

    def __init__(self, corpus: Corpus) -> None:
        if corpus.n_sentences == 0:
            measured = self.NAME.replace("_", " ")
            raise ParameterError(f"{corpus.source} has no sentence to measure {measured} on")
        self._corpus = corpus

    @property
    def name(self) -> str:
        """The metric's name in the registry."""
        return self.NAME

    @property
    def higher_is_better(self) -> bool:
        """False."""
        return False

    @property
    def corpus(self) -> Corpus:
        """The corpus that the model is measured on."""
        return self._corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """Empty: the value depends on the model, its edits and the corpus only."""
        return {}
