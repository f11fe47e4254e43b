"""Ablation: a metric of the running model while more and more of its neurons are erased."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.interventions.belonging import require_ranking_of
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import parse_edit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.measuring import measure_interventions
from onegrain.interventions.orders import neuron_orders, require_lines, sweep_counts
from onegrain.interventions.references import measure_reference
from onegrain.interventions.where import Where
from onegrain.metrics import Measurement, Metric
from onegrain.models import LoadedModel, load_model
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.curve import LINES, Curve
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.statistics import NeuronStatistics

__all__ = ["ablate"]


def ablate(
    model: str | os.PathLike[str] | LoadedModel,
    ranking: Ranking,
    metric: Metric,
    *,
    steps: int = 20,
    counts: Sequence[int] | None = None,
    max_erased: int | None = None,
    lines: Sequence[str] = LINES,
    random_orders: int = 5,
    edit: str | NeuronEdit = "zero",
    where: Where | None = None,
    recurrent: bool = False,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    seed: int = 0,
    batch_size: int = 64,
    progress: Progress = automatic,
) -> Curve:
    """Erase k neurons in the running model and measure it, for rising k and three kinds of order.

    Line ``top`` erases the ranking's first k neurons, ``bottom`` its last k, ``random`` the first k of random
    orders [Dalvi19, Bau19]. A set of neurons that several lines share (none, all) is measured once.

    Args:
        model: a folder, a hub id, or a loaded model.
        ranking: the order of the neurons. If its provenance names a model, it must be this one.
        metric: the metric, with the corpus to measure on.
        steps: number of points besides the intact model; see :func:`sweep_counts`.
        counts: the numbers of neurons to erase, in place of ``steps``; 0 is added.
        max_erased: largest number of neurons to erase; all neurons by default.
        lines: some or all of ``top``, ``bottom`` and ``random``.
        random_orders: number of random orders; the line shows their mean, least and largest value.
        edit: the edit, or its text, such as ``mean`` or ``clamp(value=3.0)``; ``zero`` erases.
        where: the places that are edited; everywhere by default.
        recurrent: True to edit the state of LSTM layers as well; see :class:`Intervention`.
        reference: activations of the model, or statistics measured on them, for edits that need some.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of the metric's sentence i.
        seed: random seed of the random orders. The first orders are the same for every number of them.
        batch_size: sentences per batch.
        progress: receives the number of measurements done.

    Returns:
        The curve. Its ``details`` hold the counts, the hash of the ranking's order, and each random order's
        values.

    Raises:
        MismatchError: the model lacks the ranking's sites, or the ranking belongs to another model or to
            another dictionary's latents.
        ParameterError: a count is out of range, a line or edit is unknown, or a number is below 1.
    """
    template = Intervention({}, parse_edit(edit), where or Where(), recurrent)
    chosen = require_lines(lines)
    if chosen[-1] == "random" and random_orders < 1:
        raise ParameterError(f"random_orders must be 1 or more, got {random_orders}")
    grid = sweep_counts(ranking.space.size, steps=steps, counts=counts, max_erased=max_erased)
    loaded = load_model(model)
    require_ranking_of(loaded, ranking)
    orders = neuron_orders(ranking, chosen, random_orders, seed)
    if isinstance(reference, Activations):
        reference = measure_reference(reference, [template.edit])
    sweep = _Sweep(loaded, ranking, metric, template, reference, pairs, batch_size)
    measurements = _measure_all(sweep, orders, grid, progress)
    intact = measurements[chosen[0]][0][0]
    return Curve(
        metric=metric.name,
        higher_is_better=metric.higher_is_better,
        signature=intact.signature,
        points=_points(grid, measurements),
        n_neurons=ranking.space.size,
        provenance=Provenance(
            stage="ablate",
            model=loaded.identity,
            corpus=CorpusIdentity.of(metric.corpus),
            sites=ranking.space.sites,
            parameters={
                "metric": {"name": metric.name, **metric.parameters},
                "counts": grid,
                "lines": list(chosen),
                **sweep.described(),
                **({"random_orders": random_orders} if "random" in chosen else {}),
            },
            seed=seed if "random" in chosen else None,
            inputs=(ranking.provenance, *([reference.provenance] if reference is not None else [])),
        ),
        details={
            "counts": grid,
            "n_sentences": intact.n_sentences,
            "order": ranking.order_hash,
            **_random_values(measurements),
        },
        draws=_draws(grid, measurements),
    )


@dataclass(frozen=True, eq=False)
class _Sweep:
    """The settings that stay the same while the edited neurons change."""

    model: LoadedModel
    ranking: Ranking
    metric: Metric
    template: Intervention
    reference: NeuronStatistics | None
    pairs: Corpus | None
    batch_size: int

    def described(self) -> dict[str, Any]:
        """Return what a record says of the edit; places, state and pairs only if they were chosen."""
        template = self.template
        described: dict[str, Any] = {"edit": str(template.edit)}
        if not template.where.everywhere:
            described["where"] = template.where.to_json()
        if template.recurrent:
            described["recurrent"] = True
        if self.pairs is not None:
            described["pairs"] = CorpusIdentity.of(self.pairs).model_dump()
        return described

    def measure(self, neuron_sets: Iterable[np.ndarray]) -> Iterator[Measurement]:
        """Yield the measurement of the edit of each set of neurons, flat indices."""
        return measure_interventions(
            self.model,
            self.metric,
            [[self._intervention(neurons)] for neurons in neuron_sets],
            reference=self.reference,
            pairs=self.pairs,
            batch_size=self.batch_size,
        )

    def _intervention(self, neurons: np.ndarray) -> Intervention:
        units = self.ranking.space.by_site(neurons)
        return replace(self.template, neurons={site: tuple(of.tolist()) for site, of in units.items()})


def _random_values(measurements: dict[str, list[list[Measurement]]]) -> dict[str, list[list[float]]]:
    """Return the metric of each random order at each count as ``random_values``, if there are random orders."""
    if "random" not in measurements:
        return {}
    return {"random_values": [[point.value for point in order] for order in measurements["random"]]}


def _measure_all(
    sweep: _Sweep, orders: dict[str, list[np.ndarray]], grid: list[int], progress: Progress
) -> dict[str, list[list[Measurement]]]:
    """Return the measurement of each line, each of its orders and each count; equal sets are measured once."""
    neuron_sets = {
        np.sort(order[:count]).tobytes(): order[:count]
        for line_orders in orders.values()
        for order in line_orders
        for count in grid
    }
    measured: dict[bytes, Measurement] = {}
    with progress("ablate", len(neuron_sets), "measurements") as advance:
        for key, measurement in zip(neuron_sets, sweep.measure(neuron_sets.values()), strict=True):
            measured[key] = measurement
            advance(1)
    return {
        line: [[measured[np.sort(order[:count]).tobytes()] for count in grid] for order in line_orders]
        for line, line_orders in orders.items()
    }


def _points(grid: list[int], measurements: dict[str, list[list[Measurement]]]) -> pd.DataFrame:
    """Return one row per line and count; see :class:`onegrain.records.curve.Curve`."""
    rows = []
    for line, orders in measurements.items():
        for position, count in enumerate(grid):
            column = [order[position] for order in orders]
            values = [measurement.value for measurement in column]
            bounds = (min(values), max(values)) if line == "random" else (column[0].low, column[0].high)
            rows.append((line, count, sum(values) / len(values), *bounds))
    return pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"])


def _draws(grid: list[int], measurements: dict[str, list[list[Measurement]]]) -> np.ndarray:
    """Return the draws of the points in their order, float64 (points, resamples)."""
    return np.stack(
        [
            np.mean([order[position].draws for order in orders], axis=0)
            for orders in measurements.values()
            for position in range(len(grid))
        ]
    )
