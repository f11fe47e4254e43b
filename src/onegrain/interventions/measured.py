"""Measuring the points of a sweep: each once, on any engine, kept in a checkpoint as soon as it is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, announce
from onegrain.engines import Engine, LocalEngine, Work
from onegrain.interventions.checkpoint import Checkpoint, Measured
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.measuring import measure_interventions
from onegrain.metrics import Metric
from onegrain.models import LoadedModel
from onegrain.models.remote import RemoteModel
from onegrain.records.corpus import Corpus
from onegrain.records.identity import corpus_digest
from onegrain.records.provenance import package_version
from onegrain.records.statistics import NeuronStatistics

__all__ = ["Measurements", "Measuring", "Watch"]

REMOTE_POINTS = 8
"""Points of one metric that a worker of another engine measures together, so that they share lower layers."""

Measurements = dict[tuple[str, Intervention], Measured]
"""Name of a metric and edit -> what was measured."""

Watch = Callable[[tuple[str, Intervention], Measured], None]
"""A function that receives finished measurements one by one."""


@dataclass(frozen=True, eq=False)
class Measuring:
    """What all points of a sweep share.

    Attributes:
        model: the model.
        metrics: the metrics by name.
        reference: statistics for the edits that need some.
        pairs: paired sentences for ``interchange``.
        batch_size: sentences per batch.
    """

    model: LoadedModel
    metrics: Mapping[str, Metric]
    reference: NeuronStatistics | None = None
    pairs: Corpus | None = None
    batch_size: int = 64

    def measure(
        self,
        edits: Iterable[Intervention],
        *,
        engine: Engine,
        checkpoint: Checkpoint,
        progress: Progress,
        task: str = "sweep",
        watch: Watch | None = None,
    ) -> Measurements:
        """Measure every metric under each edit; equal edits, and those in the checkpoint, are not repeated.

        Args:
            edits: the edits, in any order, perhaps repeated.
            engine: where the model runs.
            checkpoint: the measurements that are finished; those of this run are added one by one.
            progress: receives the number of measurements done.
            task: what progress calls the work.
            watch: receives each finished measurement, those of the checkpoint first.
        """
        different = list(dict.fromkeys(edits))
        points = [(name, edit) for name in self.metrics for edit in different]
        keys = self.keys(points)
        known = {point: checkpoint.get(key) for point, key in keys.items()}
        measured = {point: value for point, value in known.items() if value is not None}
        missing = [point for point in points if point not in measured]
        if measured:
            announce(progress, f"resuming: {len(measured):,} of {len(points):,} measurements are finished")
        if watch is not None:
            for point, value in measured.items():
                watch(point, value)
        with progress(task, len(points), "measurements") as advance:
            advance(len(measured))
            for point, value in self._run(missing, engine):
                checkpoint.add(keys[point], value)
                measured[point] = value
                if watch is not None:
                    watch(point, value)
                advance(1)
        return measured

    def _run(
        self, points: Sequence[tuple[str, Intervention]], engine: Engine
    ) -> Iterator[tuple[tuple[str, Intervention], Measured]]:
        by_metric = {
            name: [edit for metric, edit in points if metric == name]
            for name in dict.fromkeys(name for name, _ in points)
        }
        if isinstance(engine, LocalEngine):
            for name, edits in by_metric.items():
                for edit, value in zip(edits, self.measurements(name, edits), strict=True):
                    yield (name, edit), value
            return
        items = [
            (name, edits[start : start + REMOTE_POINTS])
            for name, edits in by_metric.items()
            for start in range(0, len(edits), REMOTE_POINTS)
        ]
        start = _RemoteMeasuring.of(self)
        with closing(engine.stream(start, items, lambda done: None)) as results:
            for (name, edits), values in zip(items, results, strict=True):
                yield from zip(((name, edit) for edit in edits), values, strict=True)

    def measurements(self, metric: str, edits: Sequence[Intervention]) -> Iterator[Measured]:
        """Yield what one metric measures under each edit, in order."""
        for measurement in measure_interventions(
            self.model,
            self.metrics[metric],
            [[edit] for edit in edits],
            reference=self.reference,
            pairs=self.pairs,
            batch_size=self.batch_size,
        ):
            yield Measured.of(measurement)

    def keys(self, points: Sequence[tuple[str, Intervention]]) -> dict[tuple[str, Intervention], str]:
        """Return for each point the hash of everything that its measurement depends on."""
        loading = self.model.load_spec
        shared = {
            "version": package_version(),
            "model": self.model.identity.weight_hash,
            "loading": [
                loading.dtype,
                loading.source_language,
                loading.target_language,
                self.model.start_token,
            ],
            "dictionaries": {site: each.identity for site, each in self.model.dictionaries.items()},
            "reference": None if self.reference is None else statistics_digest(self.reference),
            "pairs": None if self.pairs is None else corpus_digest(self.pairs),
        }
        of_metric = {
            name: [metric.name, metric.parameters, corpus_digest(metric.corpus, documents=True)]
            for name, metric in self.metrics.items()
        }
        return {
            (name, edit): _hash([shared, of_metric[name], edit.to_json() if edit.neurons else None])
            for name, edit in points
        }


@dataclass(frozen=True, eq=False)
class _RemoteMeasuring:
    """A picklable description of the work, from which a worker process starts it."""

    model: RemoteModel
    metrics: Mapping[str, Metric]
    reference: NeuronStatistics | None
    pairs: Corpus | None
    batch_size: int

    @classmethod
    def of(cls, measuring: Measuring) -> _RemoteMeasuring:
        return cls(
            RemoteModel.of(measuring.model),
            dict(measuring.metrics),
            measuring.reference,
            measuring.pairs,
            measuring.batch_size,
        )

    def __call__(self) -> Work:
        """Load the model and return the function that measures a group of points."""
        measuring = Measuring(self.model.load(), self.metrics, self.reference, self.pairs, self.batch_size)

        def work(item: tuple[str, list[Intervention]], advance: Callable[[int], None]) -> list[Measured]:
            metric, edits = item
            return list(measuring.measurements(metric, edits))

        return work


def statistics_digest(statistics: NeuronStatistics) -> str:
    """Return a SHA-256 (hex) of the values that edits take from a reference."""
    digest = hashlib.sha256(json.dumps(statistics.space.to_json()).encode())
    for name, values in sorted(statistics.columns.items()):
        digest.update(name.encode() + np.ascontiguousarray(values, dtype="<f8").tobytes())
    if statistics.samples is not None:
        digest.update(np.ascontiguousarray(statistics.samples, dtype="<f4").tobytes())
    return digest.hexdigest()


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
