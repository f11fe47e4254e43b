"""Sweeps that an address describes: what they can measure here, their work, and the record that is kept."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.explorer.addresses import PageQuery
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.edits import CONTINUING
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import reads_translations
from onegrain.explorer.work import Job
from onegrain.explorer.work.models import model_place
from onegrain.library import ACTIVATIONS
from onegrain.metrics.registry import create_metric, metric_title
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.ranking import Ranking
from onegrain.records.sweep import Sweep

if TYPE_CHECKING:
    from onegrain.interventions.planned import PlannedSweep
    from onegrain.models import LoadedModel

__all__ = [
    "Offer",
    "RunningSweep",
    "SweepQuery",
    "SweptModel",
    "chosen_model",
    "chosen_offer",
    "keep_sweep",
    "offers_of",
    "start_sweep",
    "sweep_work",
    "sweeping",
    "swept_models",
]

SANDBOX = "sandbox"
SANDBOX_SEED = 1_000_003
"""Seed of the sandbox text that sweeps measure on; the sentences of models' corpora have other seeds."""
PARALLEL = ("fr", "de")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
TRANSLATING = ("Translation", "ForConditionalGeneration", "MTModel", "Seq2Seq")
"""Parts of the names of classes that translate."""

SweepKind = Literal["zero", "mean", "mode", "resample"]
SweepLine = Literal["top", "bottom", "random", "keep"]


class SweepQuery(PageQuery):
    """The state of a sweep: what is swept and measured, or the job that does it."""

    model: str = Field("", max_length=400, description="The model, by its name; the first by default.")
    ranking: tuple[str, ...] = Field((), max_length=8, description="Rankings of the model, by their names.")
    kind: tuple[SweepKind, ...] = Field(("zero",), min_length=1, max_length=4, description="Kinds of edits.")
    measure: str = Field("", max_length=500, description="METRIC@CORPUS; the first on offer by default.")
    line: tuple[SweepLine, ...] = Field(
        ("top", "bottom", "random"), min_length=1, max_length=4, description="Lines of the sweep."
    )
    steps: int = Field(8, ge=1, le=50, description="Points of each line besides the intact model.")
    orders: int = Field(3, ge=1, le=20, description="Number of random orders.")
    sentences: int = Field(200, ge=2, le=5000, description="Largest number of sentences to measure on.")
    job: str = Field("", max_length=40, description="A sweep that was started.")


@dataclass(frozen=True)
class SweptModel:
    """A model that has rankings and can be loaded here.

    Attributes:
        name: its name.
        weights: SHA-256 of its weights.
        rankings: the names of its rankings.
    """

    name: str
    weights: str
    rankings: tuple[str, ...]


@dataclass(frozen=True)
class Offer:
    """Something that can be measured: a metric on a corpus.

    Attributes:
        name: ``METRIC@CORPUS``, as addresses name it.
        title: for readers.
        metric: the metric's registered name.
        corpus: returns the corpus with at most some number of sentences.
    """

    name: str
    title: str
    metric: str
    corpus: Callable[[int], Corpus]


@dataclass(eq=False)
class RunningSweep:
    """A sweep that was started.

    Attributes:
        query: what it measures.
        title: for readers.
        checkpoint: the file that keeps its points.
        scratch: the temporary folder of that file if the collection is not a folder; it goes with the sweep.
        planned: its lines, once the model is loaded.
        measured: the finished measurements.
        kept: the name under which its record was kept; empty if it was not.
        discarded: True if its points were thrown away.
    """

    query: SweepQuery
    title: str
    checkpoint: Path
    scratch: tempfile.TemporaryDirectory[str] | None = None
    planned: PlannedSweep | None = None
    measured: dict[Any, Any] = field(default_factory=dict)
    kept: str = ""
    discarded: bool = False

    @property
    def resumes(self) -> bool:
        """True if the same sweep goes on from these points after a restart."""
        return self.scratch is None

    def discard(self) -> None:
        """Throw the points away."""
        self.discarded = True
        self.checkpoint.unlink(missing_ok=True)

    def record(self) -> Sweep | None:
        """Return the record of the points that are measured so far; None before the first."""
        if self.planned is None or self.discarded:
            return None
        measured = dict(self.measured)
        lines = self.planned.lines
        if len(measured) == len(self.planned.measuring.metrics) * len(
            {edit for line in lines for edit in line.interventions}
        ):
            return self.planned.record(measured)
        return self.planned.partial_record(measured)


def swept_models(collection: Collection) -> tuple[SweptModel, ...]:
    """Return the models that have rankings and can be loaded here, in the order of their names."""
    models: dict[str, list[Entry]] = {}
    for entry in collection.of_kind("ranking"):
        if entry.weights:
            models.setdefault(entry.weights, []).append(entry)
    swept = []
    for weights, entries in models.items():
        try:
            model_place(collection, entries[0])
        except NotFoundError:
            continue
        swept.append(SweptModel(entries[0].model, weights, tuple(entry.name for entry in entries)))
    return tuple(sorted(swept, key=lambda model: model.name))


def chosen_model(models: Sequence[SweptModel], query: SweepQuery) -> SweptModel | None:
    """Return the model of a state: the one that it names, else that of its first ranking, else the first.

    Raises:
        NotFoundError: it names none of the models.
    """
    if query.model:
        for model in models:
            if model.name == query.model:
                return model
        raise NotFoundError(f"no model {query.model!r} with rankings can be loaded here")
    for model in models:
        if query.ranking and query.ranking[0] in model.rankings:
            return model
    return models[0] if models else None


def offers_of(collection: Collection, model: SweptModel) -> tuple[Offer, ...]:
    """Return what can be measured of a model: metrics of its task on the corpora of its stores."""
    stores = _stores(collection, model)
    architecture = _architecture(collection, model)
    continues = any(mark in architecture for mark in CONTINUING)
    translates = any(mark in architecture for mark in TRANSLATING)
    offers: dict[str, Offer] = {}

    def add(metric: str, name: str, title: str, corpus: Callable[[int], Corpus]) -> None:
        offer = Offer(f"{metric}@{name}", f"{metric_title(metric, first=True)} on {title}", metric, corpus)
        offers.setdefault(offer.name, offer)

    for entry, activations in stores:
        corpus = activations.corpus
        if continues:
            add("perplexity", entry.name, entry.title, corpus.head)
        if translates and corpus.target is not None and not reads_translations(activations.provenance):
            for metric in ("bleu", "chrf", "perplexity"):
                add(metric, entry.name, entry.title, corpus.head)
    if any(activations.corpus.source.startswith(SANDBOX) for _, activations in stores):
        _add_sandbox(add, continues, translates)
    return tuple(offers.values())


def _add_sandbox(add: Callable[..., None], continues: bool, translates: bool) -> None:
    """Add the metrics on new text of the sandbox language."""
    from onegrain.synthetic import sandbox, sandbox_pairs

    if continues:
        add(
            "minimal_pairs",
            "sandbox-pairs",
            "verbs of the sandbox",
            lambda sentences: sandbox_pairs(max(1, sentences // 2), seed=SANDBOX_SEED),
        )
    for language in PARALLEL if translates else ():

        def parallel(sentences: int, language: str = language) -> Corpus:
            return sandbox(sentences, seed=SANDBOX_SEED, parallel=language)

        title = {"fr": "French", "de": "German"}[language]
        for metric in ("bleu", "chrf"):
            add(metric, f"sandbox-{language}", f"the sandbox, English to {title}", parallel)


def chosen_offer(offers: Sequence[Offer], query: SweepQuery) -> Offer | None:
    """Return what a state measures: the offer that it names, else the first.

    Raises:
        NotFoundError: it names none of the offers.
    """
    if query.measure:
        for offer in offers:
            if offer.name == query.measure:
                return offer
        raise NotFoundError(f"{query.measure!r} cannot be measured here")
    return offers[0] if offers else None


@dataclass(frozen=True, eq=False)
class _Chosen:
    """What a state names, opened."""

    model: SweptModel
    offer: Offer
    rankings: dict[str, Ranking]
    reference: Activations | None


def _choose(collection: Collection, query: SweepQuery) -> _Chosen:
    """Return what a state names.

    Raises:
        NotFoundError: a name is unknown.
        ParameterError: nothing can be measured, a ranking is of another model, or a kind needs a store.
    """
    model = chosen_model(swept_models(collection), query)
    if model is None:
        raise ParameterError("no model with rankings can be loaded here; name its folder to onegrain explore")
    offer = chosen_offer(offers_of(collection, model), query)
    if offer is None:
        raise ParameterError(
            f"there is nothing here to measure {model.name} on; give a store of its activations"
        )
    names = query.ranking or model.rankings[:1]
    for name in names:
        collection.entry(name, "ranking")
        if name not in model.rankings:
            raise ParameterError(f"the ranking {name} is of another model than {model.name}")
    rankings = {collection.entry(name).title: collection.record(name, "ranking") for name in names}
    if len(rankings) < len(names):
        raise ParameterError("two rankings have the same name; choose one of them")
    reference = None
    if set(query.kind) - {"zero"}:
        sites = {site for ranking in rankings.values() for site in ranking.space.sites}
        stores = [store for _, store in _stores(collection, model) if sites <= set(store.space.sites)]
        if not stores:
            raise ParameterError(f"{', '.join(query.kind)} needs a store with the activations of {model.name}")
        reference = stores[0]
    return _Chosen(model, offer, rankings, reference)


def sweeping(collection: Collection, query: SweepQuery) -> Callable[[LoadedModel], PlannedSweep]:
    """Return the function that plans the sweep of a state in a loaded model; what is named is checked before.

    Raises:
        NotFoundError: a name is unknown.
        ParameterError: nothing can be measured, a ranking is of another model, or a kind needs a store.
    """
    chosen = _choose(collection, query)
    metric = create_metric(chosen.offer.metric, chosen.offer.corpus(query.sentences))

    def plan(model: LoadedModel) -> PlannedSweep:
        from onegrain.interventions.planned import plan_sweep
        from onegrain.interventions.planning import Grid

        grid = Grid(query.line, query.steps, random_orders=query.orders)
        return plan_sweep(
            model,
            chosen.rankings,
            {metric.name: metric},
            list(query.kind),
            grid,
            reference=chosen.reference,
        )

    return plan


def sweep_work(running: RunningSweep, plan: Callable[[LoadedModel], PlannedSweep]) -> Callable[..., Sweep]:
    """Return the work of a sweep for the queue; called again, it resumes from the checkpoint."""

    def work(model: LoadedModel, progress: Progress) -> Sweep:
        from onegrain.engines import LocalEngine

        planned = plan(model)
        running.planned = planned
        measured = planned.measure(
            LocalEngine(), running.checkpoint, progress, watch=running.measured.__setitem__
        )
        return planned.record(measured)

    return work


def start_sweep(explorer: Explorer, query: SweepQuery) -> Job[Sweep]:
    """Put the sweep of a state into the queue.

    Raises:
        BusyError: too many sweeps wait or run.
        NotFoundError: a name is unknown.
        ParameterError: nothing can be measured, a ranking is of another model, or a kind needs a store.
    """
    collection = explorer.collection
    plan = sweeping(collection, query)
    chosen = _choose(collection, query)
    title = f"{chosen.model.name}: {chosen.offer.title}"
    scratch = None if collection.folder is not None else tempfile.TemporaryDirectory(prefix="onegrain-sweep-")
    folder = Path(scratch.name) if scratch is not None else _sweeps_folder(collection)
    running = RunningSweep(query, title, folder / _checkpoint_name(query, chosen.model), scratch)
    entry = collection.entry((query.ranking or chosen.model.rankings)[0])
    return explorer.work.submit(entry, sweep_work(running, plan), title=title, long=True, about=running)


def keep_sweep(explorer: Explorer, running: RunningSweep, name: str) -> Entry:
    """Write the record of a sweep into the folder ``sweeps`` of the collection, and add it.

    Raises:
        ParameterError: the name is not one, nothing is measured, or the collection is not a folder.
        OutputExistsError: there is a record of that name.
        StorageError: the folder cannot be written to.
    """
    folder = _sweeps_folder(explorer.collection)
    if not NAME.fullmatch(name):
        raise ParameterError(
            "a name has letters, digits, dots, dashes and underscores, and begins with a letter"
        )
    record = running.record()
    if record is None:
        raise ParameterError("nothing is measured yet")
    path = folder / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    record.save(path)
    running.kept = f"sweeps/{name}"
    running.checkpoint.unlink(missing_ok=True)
    return explorer.collection.add(path, running.kept)


def _sweeps_folder(collection: Collection) -> Path:
    """Return the folder in which the records of sweeps are kept.

    Raises:
        ParameterError: the places of the collection were named one by one.
    """
    if collection.folder is None:
        raise ParameterError("records are kept in a study's folder, and the places here were named one by one")
    return collection.folder / "sweeps"


def _checkpoint_name(query: SweepQuery, model: SweptModel) -> str:
    """Return the name of the file that keeps the points of a sweep; the same sweep has the same one."""
    state = query.model_copy(update={"store": "", "pin": (), "job": ""}).model_dump_json()
    return f".explorer-{hashlib.sha256(f'{model.weights}{state}'.encode()).hexdigest()[:20]}.checkpoint"


def _stores(collection: Collection, model: SweptModel) -> list[tuple[Entry, Activations]]:
    return [(entry, collection.store(entry.name)) for entry in collection.about(model.weights, ACTIVATIONS)]


def _architecture(collection: Collection, model: SweptModel) -> str:
    ranking: Ranking = collection.record(model.rankings[0], "ranking")
    subject = ranking.provenance.subject()
    return "" if subject is None else subject.architecture
