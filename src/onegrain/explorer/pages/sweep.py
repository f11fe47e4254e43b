"""Sweep: choose what is edited and measured, start it, watch the points arrive, and keep the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onegrain.explorer.addresses import address, changed, link
from onegrain.explorer.collection import Collection
from onegrain.explorer.figures import Figure, FigureTable, VegaChart
from onegrain.explorer.pages.page import Choice, Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.explorer.sweep_offers import (
    chosen_model,
    chosen_offer,
    offers_of,
    swept_models,
    untranslated,
)
from onegrain.explorer.sweep_query import SweepQuery
from onegrain.explorer.sweeps import RunningSweep
from onegrain.explorer.work import Job, State
from onegrain.records.sweep import Sweep
from onegrain.reports.rendering.pictures import chart_spec

if TYPE_CHECKING:
    pass

__all__ = ["SweepPage", "SweepState", "sweep"]

KINDS = (
    ("zero", "set to zero"),
    ("mean", "set to the mean"),
    ("mode", "set to the mode"),
    ("resample", "resampled"),
)
LINES = (("top", "first"), ("bottom", "last"), ("random", "random"), ("keep", "all but the first"))


@dataclass(frozen=True)
class SweepState:
    """A sweep that was started.

    Attributes:
        job: its id.
        title: what it measures.
        facts: names and texts of what is swept and how.
        state: ``waiting``, ``running``, ``done``, ``failed``, ``stopped`` or ``cancelled``.
        stopping: True if it was asked to stop and has not stopped yet.
        done, total: measurements.
        points: points that a record of it would have.
        error: why it failed; empty if it did not.
        kept: the name under which it was kept; empty if it was not.
        keepable: True if it can be kept as a record.
        resumes: True if the same sweep goes on from these points.
        again: the address of the page with which the same sweep can be started again.
        events: the address of the server-sent events; empty once it is finished.
    """

    job: str
    title: str
    facts: tuple[tuple[str, str], ...]
    state: str
    stopping: bool
    done: int
    total: int
    points: int
    error: str
    kept: str
    keepable: bool
    resumes: bool
    again: str
    events: str


@dataclass(frozen=True)
class SweepPage(Page):
    """The page on which a sweep is chosen and watched.

    Attributes:
        query: the state.
        models: the models that can be swept.
        rankings: the rankings of the chosen model: address names, titles, and whether they are chosen.
        offers: names and titles of what can be measured.
        measure: the name of what is measured; empty if nothing can be.
        untranslated: why translations cannot be measured; empty if they can, or if the model writes none.
        kinds, lines: names and titles on offer.
        estimate: the address of the fragment that estimates the time; empty if nothing can be measured.
        started: the sweep that the address names; None if it names none.
    """

    query: SweepQuery
    shell: Shell
    figures: tuple[Figure, ...]
    models: tuple[Choice, ...]
    rankings: tuple[tuple[str, str, bool], ...]
    offers: tuple[tuple[str, str], ...]
    measure: str
    untranslated: str
    kinds: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    estimate: str
    started: SweepState | None


def sweep(explorer: Explorer, query: SweepQuery) -> SweepPage:
    """Return the page of a sweep.

    Raises:
        NotFoundError: the address names a model, a measure or a job that is not here.
    """
    collection = explorer.collection
    models = collection.derived("swept models", lambda: swept_models(collection))
    job: Job[Any] | None = explorer.work.job(query.job) if query.job else None
    running = job.about if job is not None and isinstance(job.about, RunningSweep) else None
    state = query if running is None else running.query
    model = chosen_model(models, state)
    offers = () if model is None else offers_of(collection, model)
    offer = chosen_offer(offers, state)
    chosen = state.ranking or (model.rankings[:1] if model is not None else ())
    job_state = None if job is None else job.state  # before the record: that of a finished job is then whole
    record = None if running is None else running.record()
    return SweepPage(
        title="Sweep",
        query=query,
        shell=shell_of(explorer, "sweep", query),
        figures=() if record is None else _figures(record),
        models=tuple(
            Choice(
                each.name,
                each.name,
                link("sweep", query, model=each.name),
                current=model is not None and each.name == model.name,
            )
            for each in models
        ),
        rankings=tuple(
            (name, collection.entry(name).title, name in chosen)
            for name in (() if model is None else model.rankings)
        ),
        offers=tuple((each.name, each.title) for each in offers),
        measure="" if offer is None else offer.name,
        untranslated="" if model is None else untranslated(offers, collection, model),
        kinds=KINDS,
        lines=LINES,
        estimate="" if offer is None or running is not None else address("sweep-estimate", query),
        started=(
            None
            if job is None or job_state is None or running is None
            else _state(explorer, job, job_state, running, record)
        ),
    )


def _state(
    explorer: Explorer, job: Job[Any], job_state: State, running: RunningSweep, record: Sweep | None
) -> SweepState:
    finished = job_state.finished
    state = str(job_state)
    if job_state is State.CANCELLED and not running.discarded:
        state = "stopped"
    stage = job.stage
    planned = running.planned
    total = stage.total
    if planned is not None and not total:
        total = len({edit for line in planned.lines for edit in line.interventions})
    return SweepState(
        job=job.id,
        title=running.title,
        facts=_facts(explorer.collection, running.query),
        state=state,
        stopping=job.is_cancelled and not finished,
        done=len(running.measured),
        total=total,
        points=0 if record is None else len(record.points),
        error="" if job.error is None else str(job.error),
        kept=running.kept,
        keepable=finished and record is not None and explorer.collection.folder is not None,
        resumes=running.resumes,
        again=address("sweep", changed(running.query, job="")),
        events="" if finished else f"/sweep/events?job={job.id}",
    )


def _facts(collection: Collection, query: SweepQuery) -> tuple[tuple[str, str], ...]:
    """Return what a sweep edits and measures, for readers."""
    model = chosen_model(swept_models(collection), query)
    rankings = query.ranking or (() if model is None else model.rankings[:1])
    kinds, lines = dict(KINDS), dict(LINES)
    return (
        ("rankings", ", ".join(collection.entry(name).title for name in rankings)),
        ("neurons", ", ".join(kinds[kind] for kind in query.kind)),
        ("lines", ", ".join(lines[line] for line in query.line)),
        ("points", f"{query.steps} of each line, {query.orders} random orders"),
        ("sentences", f"up to {query.sentences:,}"),
    )


def _figures(record: Sweep) -> tuple[Figure, ...]:
    """Return the chart of a sweep and its points."""
    from onegrain.reports.charts.sweep import edit_panels, keep_panels

    rows = record.points[["ranking", "edit", "line", "order", "neurons", "value", "low", "high"]]
    table = FigureTable.of(tuple(rows.columns), rows.itertuples(index=False, name=None))
    caption = "Each point with its 95 % bootstrap interval over sentences."
    figures = []
    if set(record.lines) - {"keep"}:
        drawing = VegaChart(chart_spec(edit_panels(record)))
        figures.append(Figure("edited", "Neurons edited", drawing, table, caption))
    if "keep" in record.lines:
        drawing = VegaChart(chart_spec(keep_panels(record)))
        figures.append(Figure("kept", "Neurons kept", drawing, table, caption))
    return tuple(figures)
