"""The base class of metrics, the measurement that a metric returns, and the bootstrap over sentences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from onegrain.core.bootstrap import bootstrap_ratios, quantile_interval
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.models import LoadedModel
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.corpus import Corpus

__all__ = ["LEVEL", "RESAMPLES", "Measurement", "Metric", "RowMetric", "ratio_measurement", "resampled_scores"]

RESAMPLES = 1000
LEVEL = 0.95
DRAWS_AT_ONCE = 100


@dataclass(frozen=True, eq=False)
class Measurement:
    """A metric's value on a corpus, with its uncertainty.

    Attributes:
        value: the value on the corpus, in the metric's unit; NaN if the model's output is not finite.
        low: lower bound of the 95 % percentile bootstrap interval over sentences.
        high: upper bound of that interval.
        signature: the definition and the settings with which another person computes the same value.
        n_sentences: number of sentences, or of the pairs, documents or windows that the bootstrap draws.
        statistics: float64 (sentences, statistics). The value is a function of their sum over sentences, so
            a bootstrap does not need the model again.
        columns: the name of each statistic.
        draws: float64 (resamples,), the value in each draw of the bootstrap. All measurements of a metric on
            the same corpus use the same draws, so the draws of two measurements are paired.
        ratio: the columns of the numerator and the denominator of which the value is a rising function; None if
            it is no function of a ratio.
    """

    value: float
    low: float
    high: float
    signature: str
    n_sentences: int
    statistics: np.ndarray
    columns: tuple[str, ...]
    draws: np.ndarray
    ratio: tuple[int, int] | None = None


class Metric(ABC):
    """A score of a running model on the corpus that the metric holds.

    A subclass takes the corpus first and its options as keywords, and is listed in
    :mod:`onegrain.metrics.registry`.

    Attributes:
        needs_target: True if the metric compares with translations, so that its corpus needs a parallel side.
    """

    needs_target: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """The metric's name in the registry, e.g. ``perplexity``."""

    @property
    @abstractmethod
    def higher_is_better(self) -> bool:
        """True if higher values are better."""

    @property
    @abstractmethod
    def corpus(self) -> Corpus:
        """The corpus that the model is measured on."""

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """Everything besides model and corpus that the value depends on; JSON-able."""

    def require(self, model: LoadedModel) -> None:  # noqa: B027
        """Check that a model can give this metric, before anything is measured; by default any model can.

        Raises:
            ParameterError, ModelError, CorpusError: it cannot, or not on this corpus.
        """

    @abstractmethod
    def measure(
        self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = automatic
    ) -> Measurement:
        """Measure the model in its present state, including any edits of its neurons.

        Args:
            model: the model.
            batch_size: sentences per batch; it changes the value only by rounding.
            progress: receives the number of sentences measured.
        """


class RowMetric(Metric):
    """A metric whose statistics are sums over rows that the model reads, one forward pass for each batch.

    A subclass says which rows there are, and computes the value from the statistics of the sentences.
    """

    @abstractmethod
    def rows(self, model: LoadedModel) -> RowStatistics:
        """Return the rows to read, after all checks that the model can give this metric.

        Raises:
            ParameterError, ModelError, CorpusError: the model cannot give the metric on this corpus.
        """

    def require(self, model: LoadedModel) -> None:
        """Check that a model can give this metric, before anything is measured.

        Raises:
            ParameterError, ModelError, CorpusError: it cannot, or not on this corpus.
        """
        self.rows(model)

    @abstractmethod
    def measurement(self, statistics: np.ndarray, settings: tuple[str, ...] = ()) -> Measurement:
        """Return the measurement of statistics summed over the rows of each sentence.

        Args:
            statistics: float64 (sentences, statistics of the rows).
            settings: those of the rows, for the signature.
        """

    def measure(
        self, model: LoadedModel, *, batch_size: int = 64, progress: Progress = automatic
    ) -> Measurement:
        """Measure the model in its present state, including any edits of its neurons.

        Args:
            model: the model.
            batch_size: rows per batch; it changes the value only by rounding.
            progress: receives the number of rows measured.

        Raises:
            ParameterError, ModelError, CorpusError: the model cannot give the metric on this corpus.
        """
        rows = self.rows(model)
        return self.measurement(rows.totals(batch_size, progress), rows.settings)


def ratio_measurement(
    statistics: np.ndarray,
    columns: tuple[str, ...],
    signature: Sequence[str],
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
    *,
    ratio: tuple[int, int] = (0, 1),
) -> Measurement:
    """Return a measurement whose value is a function of the ratio of two sums.

    Args:
        statistics: float64 (sentences, statistics).
        columns: the name of each statistic.
        signature: the definition of the value, and fields of the form ``name:value``.
        transform: a rising function of the ratio, such as ``numpy.exp``.
        ratio: the columns of the numerator and of the denominator, whose sum is above 0.
    """
    above, below = (statistics[:, column] for column in ratio)
    value = low = high = float("nan")
    draws = np.full(RESAMPLES, np.nan)
    if np.isfinite(above).all():
        ratios = bootstrap_ratios(above, below, resamples=RESAMPLES)
        bounds = (float(bound[0]) for bound in quantile_interval(ratios[:, None], LEVEL))
        with np.errstate(over="ignore"):
            value, low, high = (float(transform(np.array(x))) for x in (above.sum() / below.sum(), *bounds))
            draws = transform(ratios)
    return Measurement(
        value, low, high, "|".join(signature), len(statistics), statistics, columns, draws, ratio
    )


def resampled_scores(
    statistics: np.ndarray,
    score: Callable[[np.ndarray], float],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> np.ndarray:
    """Compute a score in each draw of the bootstrap over sentences.

    Sentences are drawn with replacement [Koehn, *Statistical Significance Tests for Machine Translation
    Evaluation*, EMNLP 2004]. For a score that is a ratio of two sums, the function
    ``onegrain.core.bootstrap.bootstrap_ratios`` does the same in one matrix product.

    Args:
        statistics: float64 (sentences, statistics).
        score: computes the score from the statistics summed over sentences, float64 (statistics,).
        resamples: number of draws.
        seed: random seed; the draws depend only on it and on the number of sentences.

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
