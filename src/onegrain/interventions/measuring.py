"""Measuring a model under many edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from onegrain.errors import OnegrainError
from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import measure_reference
from onegrain.interventions.variants import UnsharedError, Variants
from onegrain.metrics import Measurement, Metric
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["measure_interventions"]

TOGETHER = 20
"""Most variants that are measured together. An interruption loses these at most."""

Variant = tuple[Intervention, ...]


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
    chosen = [tuple(each for each in variant if each.neurons) for variant in variants]
    if isinstance(reference, Activations):
        reference = measure_reference(reference, [each.edit for variant in chosen for each in variant])
    measuring = _Measuring(model, metric, reference, pairs, batch_size)
    uses = Counter(chosen)
    stream = measuring.each(list(uses))
    measured: dict[Variant, Measurement] = {}
    for variant in chosen:
        measurement = measured.get(variant) or next(stream)
        measured[variant] = measurement
        uses[variant] -= 1
        if not uses[variant]:
            del measured[variant]
        yield measurement


class _Measuring:
    """The settings that stay the same while the variants change."""

    def __init__(
        self,
        model: LoadedModel,
        metric: Metric,
        reference: NeuronStatistics | None,
        pairs: Corpus | None,
        batch_size: int,
    ) -> None:
        self._model, self._metric, self._batch_size = model, metric, batch_size
        self._reference, self._pairs = reference, pairs
        self._share = Variants.supports(model)

    def each(self, variants: Sequence[Variant]) -> Iterator[Measurement]:
        """Yield the measurement of each variant."""
        for start in range(0, len(variants), TOGETHER):
            group = variants[start : start + TOGETHER]
            for variant, measurement in zip(group, self._together(group), strict=True):
                yield self._alone(variant) if measurement is None else measurement

    def _together(self, group: Sequence[Variant]) -> Iterator[Measurement | None]:
        """Yield the measurements of some variants; None for those that have to be measured alone.

        An error is left to the variant that causes it, which raises it when its turn comes.
        """
        finished = 0
        if len(group) > 1 and self._share:
            try:
                stack = Variants(self._model, group, reference=self._reference, pairs=self._pairs)
                for measurement in stack.measure(self._metric, batch_size=self._batch_size):
                    yield measurement
                    finished += 1
            except UnsharedError:
                self._share = False
            except (OnegrainError, RuntimeError):
                pass
        yield from [None] * (len(group) - finished)

    def _alone(self, variant: Variant) -> Measurement:
        """Return the measurement of a variant."""
        with editing(self._model, variant, reference=self._reference, pairs=self._pairs):
            return self._metric.measure(self._model, batch_size=self._batch_size)
