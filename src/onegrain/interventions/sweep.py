"""Sweeps: several metrics of a model under several edits of the neurons of several rankings, in one record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine, LocalEngine, engine_named
from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.planned import plan_sweep
from onegrain.interventions.planning import Grid
from onegrain.interventions.stopping import StopWhen
from onegrain.interventions.where import Where
from onegrain.metrics import Metric
from onegrain.models import LoadedModel, load_model
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.curve import LINES
from onegrain.records.ranking import Ranking
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import Sweep

__all__ = ["sweep"]


def sweep(
    model: str | os.PathLike[str] | LoadedModel,
    rankings: Ranking | Sequence[Ranking] | Mapping[str, Ranking],
    metrics: Metric | Sequence[Metric] | Mapping[str, Metric],
    edits: str | NeuronEdit | Sequence[str | NeuronEdit] = "zero",
    *,
    labels: str | Sequence[str] | None = None,
    lines: Sequence[str] = LINES,
    steps: int = 20,
    counts: Sequence[int] | None = None,
    shares: Sequence[float] | None = None,
    every: int | None = None,
    max_erased: int | None = None,
    random_orders: int = 5,
    match: str = "site",
    where: Where | None = None,
    recurrent: bool = False,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    seed: int = 0,
    batch_size: int = 64,
    engine: str | Engine = "local",
    checkpoint: str | os.PathLike[str] | None = None,
    stop_when: StopWhen | None = None,
    progress: Progress = automatic,
) -> Sweep:
    """Edit k neurons in the running model and measure it, for rising k, several rankings, edits and metrics.

    Line ``top`` edits a ranking's first k neurons, ``bottom`` its last k, ``random`` the first k of random
    orders, and ``keep`` all but the first k [Dalvi19, Bau19]. A set of neurons that several lines share is
    measured once. With ``match="site"``, the first k neurons of a random order are of the same sites as the
    ranking's first k, in the same numbers, for every k; with ``match="size"``, they also lie in the same tenths
    of their sites by the mean absolute change that the edit makes.

    Args:
        model: a folder, a hub id, or a loaded model.
        rankings: one or more rankings of the model's neurons; a mapping names them, else they are named by
            their methods.
        metrics: one or more metrics, with the corpora to measure on; a mapping names them, else they have
            their registered names.
        edits: one or more edits, or their texts, such as ``mean`` or ``clamp(value=3.0)``.
        labels: labels whose own orders are used in place of the rankings'.
        lines: some or all of ``top``, ``bottom``, ``random`` and ``keep``.
        steps: number of points besides the intact model; see :func:`onegrain.interventions.sweep_counts`.
        counts: the numbers of neurons to edit, in place of ``steps``; 0 is added.
        shares: the parts of all neurons to edit, in place of ``steps``.
        every: the distance of evenly spaced numbers, in place of ``steps``; 50 gives those of [Dalvi19].
        max_erased: largest number of neurons to edit; all neurons by default.
        random_orders: number of random orders.
        match: ``none``, ``site`` or ``size``.
        where: the places that are edited; everywhere by default.
        recurrent: True to edit the state of LSTM layers as well; see
            :class:`onegrain.interventions.Intervention`.
        reference: activations of the model, or statistics measured on them, for edits and matching by size.
        pairs: for ``interchange``, a corpus whose sentence i is the pair of the metrics' sentence i.
        seed: random seed of the random orders. The first orders are the same for every number of them.
        batch_size: sentences per batch.
        engine: ``local``, ``ray``, or an engine; others than the local one load the model again.
        checkpoint: a file that keeps each finished measurement, so that the same call resumes; it stays.
        stop_when: measure on a part of the sentences if that settles the differences; see
            :class:`onegrain.interventions.StopWhen`. It needs metrics that are means over sentences and the
            local engine, and keeps the parts of the measurements in the checkpoint.
        progress: receives the number of measurements done.

    Returns:
        The sweep.

    Raises:
        MismatchError: the model lacks a ranking's sites, or a ranking or the reference is of another model.
        ParameterError: a number is out of range; a line, edit or way to match is unknown; two rankings or
            metrics have one name; or an edit lacks its reference. Nothing is measured then.
        LabelError: a ranking lacks a label.
        CorpusError: there is not one pair for each sentence.
        RecordError: the checkpoint is another program's file.
        EngineError: the engine cannot run the model.
    """
    grid = Grid(lines, steps, counts, shares, every, max_erased, random_orders, match, seed)
    planned = plan_sweep(
        load_model(model),
        _by_name("ranking", rankings, Ranking, lambda ranking: ranking.method),
        _by_name("metric", metrics, Metric, lambda metric: metric.name),
        edits,
        grid,
        labels=[labels] if isinstance(labels, str) else labels,
        where=where,
        recurrent=recurrent,
        reference=reference,
        pairs=pairs,
        batch_size=batch_size,
    )
    runner = engine_named(engine) if isinstance(engine, str) else engine
    if stop_when is None:
        return planned.record(planned.measure(runner, checkpoint, progress))
    if not isinstance(runner, LocalEngine):
        raise ParameterError(
            "stop_when needs the local engine, because each look decides what is measured next"
        )
    return planned.measured_until(stop_when, checkpoint, progress)


def _by_name(what: str, values: Any, kind: Any, name_of: Any) -> dict[str, Any]:
    """Return rankings or metrics by name.

    Raises:
        ParameterError: there is none, or two have the same name.
    """
    if isinstance(values, Mapping):
        named = dict(values)
    else:
        several = [values] if isinstance(values, kind) else list(values)
        names = [name_of(value) for value in several]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ParameterError(
                f"two {what}s are named {', '.join(repeated)}; pass a mapping from names to {what}s"
            )
        named = dict(zip(names, several, strict=True))
    if not named:
        raise ParameterError(f"there is no {what}; pass at least one")
    return named
