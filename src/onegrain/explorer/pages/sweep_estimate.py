"""The estimate of a sweep's time: a fragment that plans the sweep and measures the intact model once."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onegrain.core.progress import Progress
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.explorer.sweep_plans import choose_sweep, sweeping
from onegrain.explorer.sweep_query import SweepQuery

if TYPE_CHECKING:
    from onegrain.models import LoadedModel

__all__ = ["SweepEstimate", "sweep_estimate"]


@dataclass(frozen=True)
class SweepEstimate(Page):
    """An estimate of the time of a sweep.

    Attributes:
        query: the state.
        measurements: number of measurements, the intact model included.
        seconds_each: time of one measurement alone.
        minutes: the time of all of them one by one; measured together they take less.
    """

    query: SweepQuery
    shell: Shell
    figures: tuple[Figure, ...]
    measurements: int
    seconds_each: float
    minutes: float


def sweep_estimate(explorer: Explorer, query: SweepQuery) -> SweepEstimate:
    """Return an estimate of a sweep, from its plan and from one measurement of the intact model.

    Raises:
        NotFoundError: a name is unknown.
        ParameterError: nothing can be measured, a ranking is of another model, or a kind needs a store.
        BusyError: too much other work waits for the model.
        TimeLimitError: one measurement takes too long.
    """
    chosen = choose_sweep(explorer.collection, query)
    plan = sweeping(chosen, query)
    entry = explorer.collection.entry((query.ranking or chosen.model.rankings)[0])

    def measure(loaded: LoadedModel, progress: Progress) -> tuple[int, float]:
        planned = plan(loaded)
        (metric,) = planned.measuring.metrics.values()
        start = time.perf_counter()
        metric.measure(loaded, batch_size=planned.measuring.batch_size)
        seconds = time.perf_counter() - start
        return len({edit for line in planned.lines for edit in line.interventions}), seconds

    count, seconds = explorer.work.run(entry, measure)
    minutes = count * seconds / 60
    table = FigureTable.of(("measurements", "seconds each", "minutes"), [(count, seconds, minutes)])
    return SweepEstimate(
        title="Estimate",
        query=query,
        shell=shell_of(explorer, "sweep-estimate", query),
        figures=(Figure("estimate", "Estimate", None, table),),
        measurements=count,
        seconds_each=seconds,
        minutes=math.ceil(10 * minutes) / 10,
    )
