"""What a metric is, what it needs of a model, and what it hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from onegrain.core.progress import Progress, silent
from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

__all__ = ["LEVEL", "RESAMPLES", "MeasurableModel", "Measurement", "Metric", "Subwords", "resampled_scores"]

RESAMPLES = 1000
LEVEL = 0.95
DRAWS_AT_ONCE = 100


class Subwords(Protocol):
    """The subwords of one sentence."""

    @property
    def ids(self) -> list[int]:
        """Subword ids, special subwords included."""
        ...


class MeasurableModel(Protocol):
    """What a metric asks of a model; ``onegrain.models.LoadedModel`` is one."""

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        ...

    @property
    def task(self) -> str:
        """``language model``, ``translation`` or ``encoder``."""
        ...

    @property
    def bos_id(self) -> int | None:
        """The start token that is put before each sentence; None where none is put."""
        ...

    def encode(
        self, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None = None
    ) -> Sequence[Subwords]:
        """The subwords of each sentence of words."""
        ...

    def encode_labels(
        self, sentences: Sequence[Sequence[str]], forms: Sequence[Sequence[Form]] | None = None
    ) -> Sequence[Subwords]:
        """The subwords that a translation model is to write."""
        ...

    def sentence_losses(
        self, corpus: Corpus, *, batch_size: int = 64, progress: Progress = silent
    ) -> tuple[np.ndarray, np.ndarray]:
        """Negative log-likelihood (nats) and predicted tokens of every sentence."""
        ...

    def translate(
        self,
        corpus: Corpus,
        *,
        beams: int = 1,
        max_new_tokens: int = 128,
        batch_size: int = 64,
        progress: Progress = silent,
    ) -> list[str]:
        """The translation of every sentence."""
        ...

    def generation_settings(self, beams: int = 1) -> dict[str, Any]:
        """What translations are searched by: JSON-able."""
        ...


@dataclass(frozen=True, eq=False)
class Measurement:
    """A metric's value on a corpus, with its uncertainty.

    Attributes:
        value: of the whole corpus, in the metric's unit; NaN where the model's output is not finite.
        low: lower bound of the 95 % percentile bootstrap interval over sentences.
        high: its upper bound.
        signature: what another person needs to compute the value again.
        n_sentences: sentences that were measured.
        statistics: float64 (sentences, statistics); the value is a function of their sum over sentences, so
            that any bootstrap can be computed again without the model.
        columns: what each statistic counts.
        draws: float64 (resamples,), the value in each draw of the bootstrap. The draws are the same for every
            measurement of a metric on a corpus, so those of two measurements are paired.
    """

    value: float
    low: float
    high: float
    signature: str
    n_sentences: int
    statistics: np.ndarray
    columns: tuple[str, ...]
    draws: np.ndarray


class Metric(ABC):
    """How good a running model is on the corpus that the metric holds."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The metric's name, e.g. ``perplexity``."""

    @property
    @abstractmethod
    def higher_is_better(self) -> bool:
        """Whether a larger value means a better model."""

    @property
    @abstractmethod
    def corpus(self) -> Corpus:
        """What the model is measured on."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """JSON-able: everything besides model and corpus that the value depends on."""

    @abstractmethod
    def measure(
        self, model: MeasurableModel, *, batch_size: int = 64, progress: Progress = silent
    ) -> Measurement:
        """Measure the model as it now is, edits included.

        Args:
            model: the model.
            batch_size: sentences at once; the value does not depend on it but for rounding.
            progress: listens to how many sentences are done.
        """


def resampled_scores(
    statistics: np.ndarray,
    score: Callable[[np.ndarray], float],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """A score that is a function of summed statistics, in each draw of the bootstrap over sentences.

    For a score that is a ratio of two sums, ``onegrain.core.bootstrap.bootstrap_ratios`` gives the like in one
    product. Sentences are drawn with replacement [Koehn, *Statistical Significance Tests for Machine
    Translation Evaluation*, EMNLP 2004].

    Args:
        statistics: float64 (sentences, statistics).
        score: takes the sum over sentences, (statistics,).
        resamples: how many draws.
        seed: of the draws; they depend on it and on the number of sentences alone.

    Returns:
        float64 (resamples,).
    """
    sentences = len(statistics)
    if sentences == 0:
        raise ParameterError("there is no sentence to resample")
    rng = np.random.default_rng(seed)
    evenly = np.full(sentences, 1.0 / sentences)
    scores: list[float] = []
    for start in range(0, resamples, DRAWS_AT_ONCE):
        weights = rng.multinomial(sentences, evenly, size=min(DRAWS_AT_ONCE, resamples - start))
        scores += [score(sums) for sums in weights.astype(np.float64) @ statistics]
    return np.array(scores)
