"""Ablation: a metric of the running model while more and more of its neurons are erased."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine, engine_named
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import parse_edit
from onegrain.interventions.planned import plan_sweep
from onegrain.interventions.planning import Grid
from onegrain.interventions.where import Where
from onegrain.metrics import Metric
from onegrain.models import LoadedModel, load_model
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.curve import LINES, Curve
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
    shares: Sequence[float] | None = None,
    every: int | None = None,
    max_erased: int | None = None,
    lines: Sequence[str] = LINES,
    random_orders: int = 5,
    match: str = "site",
    edit: str | NeuronEdit = "zero",
    where: Where | None = None,
    recurrent: bool = False,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    seed: int = 0,
    batch_size: int = 64,
    engine: str | Engine = "local",
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress = automatic,
) -> Curve:
    """Erase k neurons in the running model and measure it, for rising k and several kinds of order.

    Line ``top`` erases the ranking's first k neurons, ``bottom`` its last k, ``random`` the first k of random
    orders, ``keep`` all but the first k [Dalvi19, Bau19]. A set of neurons that several lines share (none, all)
    is measured once. :func:`onegrain.sweep` does this for several rankings, metrics and edits.

    Args:
        model: a folder, a hub id, or a loaded model.
        ranking: the order of the neurons. If its provenance names a model, it must be this one.
        metric: the metric, with the corpus to measure on.
        steps: number of points besides the intact model; see :func:`sweep_counts`.
        counts: the numbers of neurons to erase, in place of ``steps``; 0 is added.
        shares: the parts of all neurons to erase, in place of ``steps``.
        every: the distance of evenly spaced numbers, in place of ``steps``; 50 gives those of [Dalvi19].
        max_erased: largest number of neurons to erase; all neurons by default.
        lines: some or all of ``top``, ``bottom``, ``random`` and ``keep``.
        random_orders: number of random orders; the line shows their mean, least and largest value.
        match: ``site`` for random orders whose first k neurons are of the same sites as the ranking's first k,
            in the same numbers; ``size`` for neurons of like change as well; ``none``. See
            :func:`onegrain.sweep`.
        edit: the edit, or its text, such as ``mean`` or ``clamp(value=3.0)``; ``zero`` erases.
        where: the places that are edited; everywhere by default.
        recurrent: True to edit the state of LSTM layers as well; see :class:`Intervention`.
        reference: activations of the model, or statistics measured on them, for edits that need some.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of the metric's sentence i.
        seed: random seed of the random orders. The first orders are the same for every number of them.
        batch_size: sentences per batch.
        engine: ``local``, ``ray``, or an engine; others than the local one load the model again.
        checkpoint: a file that keeps each finished measurement, so that the same call resumes; it stays.
        progress: receives the number of measurements done.

    Returns:
        The curve. Its ``details`` hold the counts, the hash of the ranking's order, and each random order's
        values.

    Raises:
        MismatchError: the model lacks the ranking's sites, or the ranking or reference belongs to another model
            or to another dictionary's latents.
        ParameterError: a count is out of range, a line or edit is unknown, a number is below 1, or the edit
            lacks its reference.
    """
    chosen = parse_edit(edit)
    grid = Grid(lines, steps, counts, shares, every, max_erased, random_orders, match, seed)
    numbers = grid.numbers(ranking.space.size)
    planned = plan_sweep(
        load_model(model),
        {ranking.method: ranking},
        {metric.name: metric},
        chosen,
        grid,
        where=where,
        recurrent=recurrent,
        reference=reference,
        pairs=pairs,
        batch_size=batch_size,
    )
    runner = engine_named(engine) if isinstance(engine, str) else engine
    curve = planned.record(planned.measure(runner, checkpoint, progress, "ablate")).curve()
    provenance = planned.provenance()
    parameters = {
        "metric": {"name": metric.name, **metric.parameters},
        "counts": numbers,
        "edit": str(chosen),
        **grid.described(),
        **planned.places(),
    }
    return replace(
        curve,
        provenance=provenance.model_copy(update={"stage": "ablate", "parameters": parameters}),
        details={"counts": numbers, **curve.details},
    )
