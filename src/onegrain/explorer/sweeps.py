"""Running sweeps: their work, their points on disk, and the record that is kept."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.state import Explorer
from onegrain.explorer.sweep_offers import SweptModel
from onegrain.explorer.sweep_plans import choose_sweep, sweeping
from onegrain.explorer.sweep_query import SweepQuery
from onegrain.explorer.work import Job
from onegrain.records.sweep import Sweep

if TYPE_CHECKING:
    from onegrain.interventions.planned import PlannedSweep
    from onegrain.models import LoadedModel

__all__ = ["RunningSweep", "keep_sweep", "start_sweep", "sweep_work"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


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
    chosen = choose_sweep(collection, query)
    plan = sweeping(chosen, query)
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
