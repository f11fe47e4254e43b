"""Measuring a model under many edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from onegrain.core.progress import automatic, silent
from onegrain.errors import OnegrainError
from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import measure_reference
from onegrain.interventions.variants import UnsharedError, Variants
from onegrain.metrics import Measurement, Metric
from onegrain.metrics.measurement import RowMetric
from onegrain.models import LoadedModel
from onegrain.models.projections import TransposedWeights
from onegrain.models.row_statistics import RowStatistics
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["measure_interventions", "total_interventions"]

TOGETHER = 20
"""Most variants that are measured together. An interruption loses these at most."""

Variant = tuple[Intervention, ...]
Result = TypeVar("Result")


def measure_interventions(
    model: LoadedModel,
    metric: Metric,
    variants: Sequence[Sequence[Intervention]],
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    batch_size: int = 64,
) -> Iterator[Measurement]:
    """Measure a model under each of several sets of edits, and yield the measurements in order.

    Equal variants are measured once, and so are those without neurons, which leave the model as it is. Up to 20
    variants are measured together: what lies below their edits is computed once, and the rest in passes that
    hold the rows of several variants. The results are those of separate measurements up to rounding.

    Variants are measured one after the other if the metric passes the model otherwise than by losses or
    translations, if hooks or edits of the caller are on the model, if the model is spread over several devices,
    or if a comparison on the first sentences shows that a variant among others has other results than alone.

    Args:
        model: the model.
        metric: the metric, with the corpus to measure on.
        variants: the interventions that are applied together, for each measurement.
        reference: activations of the model, or statistics measured on them, for the edits that need some.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of the metric's sentence i.
        batch_size: sentences per batch.

    Raises:
        MismatchError: the model does not have a site, or the reference is of another model.
        ParameterError: an edit lacks its reference, or touched no value.
    """
    yield from _measured_once(model, _work(model, metric, batch_size), variants, reference, pairs)


def total_interventions(
    model: LoadedModel,
    rows: RowStatistics,
    variants: Sequence[Sequence[Intervention]],
    *,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    batch_size: int = 64,
) -> Iterator[np.ndarray]:
    """Yield the statistics of rows under each of several sets of edits, float64 (units, statistics), in order.

    The arguments and errors are those of :func:`measure_interventions`; ``rows`` are those of a metric, or some
    of them.
    """
    work = partial(rows.totals, batch_size, silent)
    yield from _measured_once(model, work, variants, reference, pairs)


def _work(model: LoadedModel, metric: Metric, batch_size: int) -> Callable[[], Measurement]:
    """Return what measures a model in its present state. Rows are encoded once, when the first is measured."""
    if not isinstance(metric, RowMetric) or type(metric).measure is not RowMetric.measure:
        return lambda: metric.measure(model, batch_size=batch_size)
    rows: list[RowStatistics] = []

    def measure() -> Measurement:
        if not rows:
            rows.append(metric.rows(model))
        return metric.measurement(rows[0].totals(batch_size, automatic), rows[0].settings)

    return measure


def _measured_once(
    model: LoadedModel,
    work: Callable[[], Result],
    variants: Sequence[Sequence[Intervention]],
    reference: NeuronStatistics | Activations | None,
    pairs: Corpus | None,
) -> Iterator[Result]:
    """Yield the result of some work under each variant; for equal variants it is done once."""
    chosen = [tuple(each for each in variant if each.neurons) for variant in variants]
    if isinstance(reference, Activations):
        reference = measure_reference(reference, [each.edit for variant in chosen for each in variant])
    uses = Counter(chosen)
    stream = _Measuring(model, work, reference, pairs).each(list(uses))
    results: dict[Variant, Result] = {}
    for variant in chosen:
        if variant not in results:
            results[variant] = next(stream)
        result = results[variant]
        uses[variant] -= 1
        if not uses[variant]:
            del results[variant]
        yield result


class _Measuring(Generic[Result]):
    """The settings that stay the same while the variants change."""

    def __init__(
        self,
        model: LoadedModel,
        work: Callable[[], Result],
        reference: NeuronStatistics | None,
        pairs: Corpus | None,
    ) -> None:
        self._model, self._work = model, work
        self._reference, self._pairs = reference, pairs
        self._share, self._weights = Variants.supports(model), TransposedWeights()

    def each(self, variants: Sequence[Variant]) -> Iterator[Result]:
        """Yield the result of each variant."""
        for start in range(0, len(variants), TOGETHER):
            group = variants[start : start + TOGETHER]
            for variant, result in zip(group, self._together(group), strict=True):
                yield self._alone(variant) if result is None else result

    def _together(self, group: Sequence[Variant]) -> Iterator[Result | None]:
        """Yield the results of some variants; None for those that have to be measured alone.

        An error of a shared pass is left to the variant that causes it, which raises it when its turn comes.
        """
        finished = 0
        if len(group) > 1 and self._share:
            stack = Variants(
                self._model, group, reference=self._reference, pairs=self._pairs, weights=self._weights
            )
            try:
                for result in stack.each(self._work):
                    yield result
                    finished += 1
            except UnsharedError:
                self._share = False
            except (OnegrainError, RuntimeError) as error:
                if error is stack.refused or not stack.has_read:
                    raise
        yield from [None] * (len(group) - finished)

    def _alone(self, variant: Variant) -> Result:
        """Return the result of a variant."""
        with editing(self._model, variant, reference=self._reference, pairs=self._pairs):
            return self._work()
