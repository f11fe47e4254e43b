"""Measuring a model under many edits, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from onegrain.interventions.editing import editing
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.references import measure_reference
from onegrain.metrics import Measurement, Metric
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.statistics import NeuronStatistics

__all__ = ["measure_interventions"]

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

    Equal variants are measured once, and so are those without neurons, which leave the model as it is.

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
    uses = Counter(chosen)
    repeated: dict[Variant, Measurement] = {}
    for variant in chosen:
        measurement = repeated.get(variant)
        if measurement is None:
            with editing(model, variant, reference=reference, pairs=pairs):
                measurement = metric.measure(model, batch_size=batch_size)
        uses[variant] -= 1
        if uses[variant]:
            repeated[variant] = measurement
        else:
            repeated.pop(variant, None)
        yield measurement
