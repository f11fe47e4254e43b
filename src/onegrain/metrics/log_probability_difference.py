"""The difference between the log-probabilities of two continuations of a prompt."""

from __future__ import annotations

from typing import Any

import numpy as np

from onegrain.errors import ParameterError
from onegrain.metrics.measurement import Measurement, RowMetric, ratio_measurement
from onegrain.metrics.pairing import paired
from onegrain.models import LoadedModel
from onegrain.models.continuations import continuation_rows
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.corpus import Corpus

__all__ = ["LogProbabilityDifference"]

DEFINITION = ("log-probability difference", "mean log p(first) - log p(second), nats")


class LogProbabilityDifference(RowMetric):
    """The mean of log p(first | prompt) - log p(second | prompt) over the prompts, in nats.

    For continuations of one subword this is the difference of their logits, as in Wang et al.,
    *Interpretability in the Wild* (ICLR 2023).

    Args:
        corpus: the prompts, one sentence each. Without a start token, a prompt needs a word.
        first: the words of the first continuation, with spaces between them. They are encoded as in running
            text, after the space that follows the prompt.
        second: the words of the second continuation.

    Raises:
        ParameterError: no prompt, a continuation without words, or two equal ones.
    """

    def __init__(self, corpus: Corpus, *, first: str, second: str) -> None:
        if corpus.n_sentences == 0:
            raise ParameterError(f"{corpus.source} has no prompt to continue")
        for name, words in (("first", first), ("second", second)):
            if not isinstance(words, str) or not words.split():
                raise ParameterError(f"{name} must be the words of a continuation, got {words!r}")
        if first.split() == second.split():
            raise ParameterError(f"first and second are both {first!r}; give two different continuations")
        self._corpus = corpus
        self._first, self._second = first.split(), second.split()

    @property
    def name(self) -> str:
        """``log_probability_difference``."""
        return "log_probability_difference"

    @property
    def higher_is_better(self) -> bool:
        """True: the first continuation is the wanted one."""
        return True

    @property
    def corpus(self) -> Corpus:
        """The prompts."""
        return self._corpus

    @property
    def parameters(self) -> dict[str, Any]:
        """The two continuations."""
        return {"first": " ".join(self._first), "second": " ".join(self._second)}

    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return two rows per prompt. The statistics are the log-probabilities ``first`` and ``second`` (nats).

        Raises:
            ParameterError: the model is not a language model.
            CorpusError: a prompt has no words, or is longer with its continuation than the model reads.
        """
        rows = continuation_rows(model, self._corpus, (self._first, self._second))
        return paired(rows, ("first", "second"))

    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of the prompts' log-probabilities.

        Its statistics are ``difference`` (nats) and ``prompts`` (1) of each prompt.
        """
        first, second = statistics.T
        fields = [f"{name}:{value}" for name, value in self.parameters.items()]
        signature = (*DEFINITION, *fields, *settings)
        counted = np.stack([first - second, np.ones(len(first))], axis=1)
        return ratio_measurement(counted, ("difference", "prompts"), signature)
