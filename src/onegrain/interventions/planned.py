"""A sweep whose arguments were checked: its lines, their measurement and the record of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.options import require_count
from onegrain.core.progress import Progress
from onegrain.engines import Engine
from onegrain.errors import ParameterError
from onegrain.interventions.checkpoint import Checkpoint, Measured
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.measured import Measurements, Measuring, Watch
from onegrain.interventions.noise import noise_facts
from onegrain.interventions.planning import (
    Grid,
    PlannedLine,
    edits_by_text,
    plan_lines,
    require_pairs_of,
    require_possible,
    require_words,
)
from onegrain.interventions.references import measure_reference
from onegrain.interventions.stopping import StopWhen, measure_until_settled, require_stoppable
from onegrain.interventions.template import described_places
from onegrain.interventions.where import Where
from onegrain.metrics import Metric
from onegrain.models import LoadedModel
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.provenance import CorpusIdentity, Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import COLUMNS, Sweep, order_name

__all__ = ["PlannedSweep", "plan_sweep"]


@dataclass(frozen=True, eq=False)
class PlannedSweep:
    """A sweep whose arguments were checked, ready to be measured.

    Attributes:
        measuring: the model, the metrics and what the edits need.
        rankings: the rankings by name.
        grid: the lines and numbers.
        lines: every line of every ranking, label and edit.
        template: an edit without neurons, for the places.
    """

    measuring: Measuring
    rankings: Mapping[str, Ranking]
    grid: Grid
    lines: Sequence[PlannedLine]
    template: Intervention

    def measure(
        self,
        engine: Engine,
        checkpoint: str | os.PathLike[str] | None,
        progress: Progress,
        task: str = "sweep",
        watch: Watch | None = None,
    ) -> Measurements:
        """Measure every point; see :func:`sweep`. A function may watch the finished measurements."""
        edits = [edit for line in self.lines for edit in line.interventions]
        with Checkpoint(checkpoint) as kept:
            return self.measuring.measure(
                edits, engine=engine, checkpoint=kept, progress=progress, task=task, watch=watch
            )

    def measured_until(
        self, stop: StopWhen, checkpoint: str | os.PathLike[str] | None, progress: Progress
    ) -> Sweep:
        """Return the record of the points on as many sentences as their differences need; see :func:`sweep`."""
        require_stoppable(stop, self.measuring.metrics, self.lines)
        with Checkpoint(checkpoint) as kept:
            measurements, facts = measure_until_settled(
                self.measuring, self.lines, stop, self.grid.seed, kept, progress
            )
        record = self.record(measurements)
        parameters = {**record.provenance.parameters, "stop_when": stop.to_json()}
        return replace(
            record,
            provenance=record.provenance.model_copy(update={"parameters": parameters, "seed": self.grid.seed}),
            details={**record.details, "stopped": facts},
        )

    def record(self, measurements: Measurements) -> Sweep:
        """Return the record of the measurements."""
        return self._record(measurements, self.measuring.metrics, lambda metric, line, place: True)

    def partial_record(self, measurements: Measurements) -> Sweep | None:
        """Return the record of the points that are measured so far; None if there are none.

        A number of neurons of the random orders is in it once all orders of a ranking and edit are measured at
        it, since their mean is compared. The details say how many of the points of the whole sweep it has.
        """
        measured = dict(measurements)
        intact = self.lines[0].interventions[0]
        metrics = [metric for metric in self.measuring.metrics if (metric, intact) in measured]
        if not metrics:
            return None
        lacking = {
            (metric, line.ranking, line.label, line.edit, line.line, place)
            for line in self.lines
            for metric in metrics
            for place, edit in enumerate(line.interventions)
            if (metric, edit) not in measured
        }

        def has(metric: str, line: PlannedLine, place: int) -> bool:
            return (metric, line.ranking, line.label, line.edit, line.line, place) not in lacking

        record = self._record(measured, metrics, has)
        planned = len(self.measuring.metrics) * sum(len(line.interventions) for line in self.lines)
        stopped = {"points": len(record.points), "planned": planned}
        return replace(record, details={**record.details, "stopped_early": stopped})

    def _record(
        self,
        measurements: Measurements,
        metrics: Iterable[str],
        has: Callable[[str, PlannedLine, int], bool],
    ) -> Sweep:
        """Return the record of some metrics and of the points that a function accepts."""
        chosen, rows, draws = list(metrics), [], []
        for line in self.lines:
            for metric in chosen:
                for place, (count, edit) in enumerate(zip(line.counts, line.interventions, strict=True)):
                    if not has(metric, line, place):
                        continue
                    point = measurements[metric, edit]
                    setting = (line.ranking, line.label, metric, line.edit, line.line, line.number)
                    rows.append((*setting, count, point.value, point.low, point.high))
                    draws.append(point.draws)
        points = pd.DataFrame(rows, columns=COLUMNS)
        return Sweep(
            points=points.assign(label=pd.Series([row[1] for row in rows], dtype=object)),
            sizes={name: ranking.space.size for name, ranking in self.rankings.items()},
            metrics=self._facts(measurements, chosen),
            provenance=self.provenance(),
            details={"orders": self._orders()},
            draws=np.stack(draws),
        )

    def _facts(self, measurements: Measurements, metrics: Iterable[str]) -> dict[str, dict[str, Any]]:
        facts = {}
        for name in metrics:
            metric = self.measuring.metrics[name]
            first: Measured = measurements[name, self.lines[0].interventions[0]]
            facts[name] = {
                "metric": metric.name,
                "higher_is_better": metric.higher_is_better,
                "signature": first.signature,
                "n_sentences": first.n_sentences,
                **noise_facts(self.measuring.model, metric, self.measuring.batch_size),
            }
        return facts

    def _orders(self) -> dict[str, str]:
        """Return the hash of every order, by ranking and label."""
        chosen = dict.fromkeys((line.ranking, line.label) for line in self.lines)
        return {
            order_name(name, label): _of_label(self.rankings[name], label).order_hash for name, label in chosen
        }

    def provenance(self) -> Provenance:
        """Return what the sweep is made from."""
        metrics = self.measuring.metrics
        corpora = {metric.corpus.content_hash: metric.corpus for metric in metrics.values()}
        labels = [label for label in dict.fromkeys(line.label for line in self.lines) if label is not None]
        reference = self.measuring.reference
        return Provenance(
            stage="sweep",
            model=self.measuring.model.identity,
            corpus=CorpusIdentity.of(next(iter(corpora.values()))) if len(corpora) == 1 else None,
            sites=tuple(dict.fromkeys(site for each in self.rankings.values() for site in each.space.sites)),
            parameters={
                "metrics": {
                    name: {
                        "name": metric.name,
                        **metric.parameters,
                        **(
                            {"corpus": CorpusIdentity.of(metric.corpus).model_dump()}
                            if len(corpora) > 1
                            else {}
                        ),
                    }
                    for name, metric in metrics.items()
                },
                "edits": list(dict.fromkeys(line.edit for line in self.lines)),
                "counts": {name: self.grid.numbers(each.space.size) for name, each in self.rankings.items()},
                **self.grid.described(),
                **({"labels": labels} if labels else {}),
                **self.places(),
            },
            seed=self.grid.seed if "random" in self.grid.lines else None,
            inputs=(
                *(ranking.provenance for ranking in self.rankings.values()),
                *([reference.provenance] if reference is not None else []),
            ),
        )

    def places(self) -> dict[str, Any]:
        """Return what a record says of the places of the edits; places, state and pairs only if chosen."""
        return described_places(self.template.where, self.template.recurrent, self.measuring.pairs)


def plan_sweep(
    model: LoadedModel,
    rankings: Mapping[str, Ranking],
    metrics: Mapping[str, Metric],
    edits: str | NeuronEdit | Sequence[str | NeuronEdit],
    grid: Grid,
    *,
    labels: Sequence[str] | None = None,
    where: Where | None = None,
    recurrent: bool = False,
    reference: NeuronStatistics | Activations | None = None,
    pairs: Corpus | None = None,
    batch_size: int = 64,
) -> PlannedSweep:
    """Check the arguments of a sweep, and plan its lines; see :func:`sweep`."""
    require_count("batch_size", batch_size)
    by_text = edits_by_text(edits)
    for ranking in rankings.values():
        grid.numbers(ranking.space.size)
    chosen = {
        (name, label): _of_label(ranking, label)
        for name, ranking in rankings.items()
        for label in ([None] if labels is None else labels)
    }
    if not chosen:
        raise ParameterError("labels is empty; name at least one, or leave labels out")
    if isinstance(reference, Activations):
        reference = measure_reference(reference, list(by_text.values()))
    places = Intervention({}, where=where or Where(), recurrent=recurrent)
    templates = {text: Intervention({}, edit, places.where, recurrent) for text, edit in by_text.items()}
    require_possible(model, rankings.values(), templates.values(), reference, pairs)
    if any(edit.needs_pairs for edit in by_text.values()):
        require_pairs_of(pairs, metrics)
    require_words(places.where, metrics)
    for metric in metrics.values():
        metric.require(model)
    lines = list(plan_lines(model, chosen, templates, grid, reference))
    return PlannedSweep(Measuring(model, metrics, reference, pairs, batch_size), rankings, grid, lines, places)


def _of_label(ranking: Ranking, label: str | None) -> Ranking:
    return ranking if label is None else ranking.label(label)
