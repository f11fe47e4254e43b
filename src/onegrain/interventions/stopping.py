"""Sweeps that stop early: sentences are measured until the differences that matter are settled."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from onegrain.core.confidence import ratio_sequence
from onegrain.core.options import require_choice, require_count
from onegrain.core.progress import Progress, announce
from onegrain.errors import ParameterError
from onegrain.interventions.checkpoint import Checkpoint, Measured
from onegrain.interventions.intervention import Intervention
from onegrain.interventions.measured import Measurements, Measuring
from onegrain.interventions.measuring import total_interventions
from onegrain.interventions.planning import PlannedLine
from onegrain.metrics import Metric
from onegrain.metrics.measurement import RowMetric
from onegrain.models.row_statistics import RowStatistics

__all__ = ["StopWhen", "measure_until_settled", "require_stoppable"]

AGAINST = ("random", "bottom")


@dataclass(frozen=True)
class StopWhen:
    """When a sweep stops: as soon as the difference of the top from another line is settled.

    The difference is that of the metric's mean per token, pair or document, averaged over all numbers of
    neurons that are edited: positive if the top does more damage. It is looked at after every ``every``
    sentences, which are read in an order drawn from the sweep's seed. It is settled when its interval leaves 0
    out, or lies within -``margin`` to ``margin``. The intervals are those of a confidence sequence (see
    :func:`onegrain.core.confidence.mean_sequence`): they hold at every look together, so looking often does not
    make a chance difference look settled. With several rankings, edits or metrics, the level is divided among
    them (Bonferroni), and a metric's sentences stop when all its differences are settled.

    Attributes:
        against: ``random`` (the mean of the random orders) or ``bottom``.
        margin: the largest difference that counts as none, in the unit of the metric's mean (nats per token for
            perplexity); None to stop only if there is a difference.
        level: the probability that all intervals cover their differences.
        first: sentences before the first look.
        every: sentences between two looks.

    Raises:
        ParameterError: a value is out of range.
    """

    against: str = "random"
    margin: float | None = None
    level: float = 0.95
    first: int = 100
    every: int = 100

    def __post_init__(self) -> None:
        require_choice("against", self.against, AGAINST)
        require_count("first", self.first, 20)
        require_count("every", self.every)
        if self.margin is not None and not self.margin > 0:
            raise ParameterError(f"margin must be above 0, got {self.margin}")
        if not 0.0 < self.level < 1.0:
            raise ParameterError(f"level must lie between 0 and 1, got {self.level}")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain values."""
        return asdict(self)

    def settled(self, low: float, high: float) -> bool:
        """Return True if an interval settles the difference."""
        return low > 0 or high < 0 or (self.margin is not None and -self.margin < low and high < self.margin)

    def looks(self, sentences: int) -> Iterator[tuple[int, int]]:
        """Yield the first and last + 1 of the sentences between two looks."""
        start, stop = 0, min(self.first, sentences)
        while start < sentences:
            yield start, stop
            start, stop = stop, min(stop + self.every, sentences)


Comparison = tuple[str, str | None, str]
"""Ranking, label and edit, whose top is compared with another line."""


def require_stoppable(stop: StopWhen, metrics: Mapping[str, Metric], lines: Sequence[PlannedLine]) -> None:
    """Check that a sweep can stop early.

    Raises:
        ParameterError: a metric is no mean over sentences, or the sweep lacks one of the two lines.
    """
    for name, metric in metrics.items():
        if not isinstance(metric, RowMetric):
            raise ParameterError(
                f"stop_when needs metrics that are means over sentences, and {name} is not; measure it in a "
                "sweep of its own"
            )
    missing = {"top", stop.against} - {line.line for line in lines}
    if missing:
        raise ParameterError(f"stop_when compares top with {stop.against}; add the line {sorted(missing)[0]}")


def measure_until_settled(
    measuring: Measuring,
    lines: Sequence[PlannedLine],
    stop: StopWhen,
    seed: int,
    checkpoint: Checkpoint,
    progress: Progress,
) -> tuple[Measurements, dict[str, Any]]:
    """Measure every point of a sweep on as many sentences as its differences need.

    Args:
        measuring: the model, the metrics and what the edits need.
        lines: the lines of the sweep.
        stop: when to stop.
        seed: random seed of the order of the sentences.
        checkpoint: the parts of the measurements that are finished; those of this run are added.
        progress: receives the sentences that are done, at most all, for each metric.

    Returns:
        The measurements, and JSON-able facts: for each metric the sentences that were read, of how many, and
        the differences with their intervals.
    """
    comparisons = _comparisons(lines, stop.against)
    level = 1.0 - (1.0 - stop.level) / (len(comparisons) * len(measuring.metrics))
    measurements: Measurements = {}
    facts: dict[str, Any] = {}
    for name in measuring.metrics:
        sequential = _Sequential(measuring, name, lines, comparisons, level, seed, checkpoint)
        with progress(f"sweep {name}", sequential.units, "sentences") as advance:
            for start, end in stop.looks(sequential.units):
                sequential.read(start, end)
                advance(end - start)
                intervals = sequential.intervals(tuned_for=stop.first + stop.every)
                if all(stop.settled(low, high) for _, low, high in intervals.values()):
                    announce(progress, f"{name}: settled after {end:,} of {sequential.units:,} sentences")
                    break
        measurements |= {(name, edit): value for edit, value in sequential.measured().items()}
        facts[name] = {
            "sentences": sequential.done,
            "of": sequential.units,
            "differences": [
                {
                    "ranking": ranking,
                    "label": label,
                    "edit": edit,
                    "difference": mean,
                    "low": low if math.isfinite(low) else None,
                    "high": high if math.isfinite(high) else None,
                    "settled": stop.settled(low, high),
                }
                for (ranking, label, edit), (mean, low, high) in intervals.items()
            ],
        }
    settings = {"against": stop.against, "margin": stop.margin, "level": stop.level}
    return measurements, {**settings, "first": stop.first, "every": stop.every, "metrics": facts}


def _comparisons(
    lines: Sequence[PlannedLine], against: str
) -> dict[Comparison, tuple[list[Intervention], list[list[Intervention]]]]:
    """Return for each ranking, label and edit the edits of the top, and of each order of the other line."""
    comparisons: dict[Comparison, tuple[list[Intervention], list[list[Intervention]]]] = {}
    for line in lines:
        top, others = comparisons.setdefault((line.ranking, line.label, line.edit), ([], []))
        edits = [edit for count, edit in zip(line.counts, line.interventions, strict=True) if count]
        if line.line == "top":
            top += edits
        elif line.line == against:
            others.append(edits)
    return comparisons


class _Sequential:
    """The measurement of one metric under many edits, on more and more of its sentences."""

    def __init__(
        self,
        measuring: Measuring,
        name: str,
        lines: Sequence[PlannedLine],
        comparisons: Mapping[Comparison, tuple[list[Intervention], list[list[Intervention]]]],
        level: float,
        seed: int,
        checkpoint: Checkpoint,
    ) -> None:
        metric = measuring.metrics[name]
        assert isinstance(metric, RowMetric)
        self._measuring, self._metric, self._level = measuring, metric, level
        self._seed, self._checkpoint = seed, checkpoint
        self._comparisons = comparisons
        self._edits = list(dict.fromkeys(edit for line in lines for edit in line.interventions))
        self._keys = measuring.keys([(name, edit) for edit in self._edits])
        self._name = name
        self._rows = metric.rows(measuring.model)
        self.units, self.done = self._rows.n_units, 0
        self._order = np.random.default_rng([seed, 2]).permutation(self.units)
        self._parts: dict[Intervention, list[np.ndarray]] = {edit: [] for edit in self._edits}
        self._ratios: dict[Intervention, list[np.ndarray]] = {edit: [] for edit in self._edits}

    def read(self, start: int, stop: int) -> None:
        """Measure the sentences at some places of the random order under every edit."""
        rows = _rows_of(self._rows, self._order[start:stop])
        keys = {edit: f"{self._keys[self._name, edit]} {self._seed} {start} {stop}" for edit in self._edits}
        kept = {edit: self._checkpoint.get(key) for edit, key in keys.items()}
        missing = [edit for edit, known in kept.items() if known is None]
        for edit, totals in zip(missing, self._totals(rows, missing), strict=True):
            kept[edit] = measured = Measured.of_statistics(totals, rows.columns)
            self._checkpoint.add(keys[edit], measured)
        for edit, known in kept.items():
            assert known is not None
            self._add(edit, known.draws.reshape(known.n_sentences, -1), rows.settings)
        self.done = stop

    def _add(self, edit: Intervention, part: np.ndarray, settings: tuple[str, ...]) -> None:
        """Keep the statistics of some sentences, float64 (sentences, statistics), under an edit."""
        self._parts[edit].append(part)
        measurement = self._metric.measurement(part, settings)
        if measurement.ratio is None:
            raise ParameterError(
                f"stop_when needs metrics that are means over sentences, and {self._name} is not"
            )
        # the numerator and the denominator of the mean, for each sentence
        self._ratios[edit].append(measurement.statistics[:, measurement.ratio])

    def _totals(self, rows: RowStatistics, edits: Sequence[Intervention]) -> Iterator[np.ndarray]:
        """Yield the statistics of some rows under each of several edits, measured together."""
        return total_interventions(
            self._measuring.model,
            rows,
            [[edit] for edit in edits],
            reference=self._measuring.reference,
            pairs=self._measuring.pairs,
            batch_size=self._measuring.batch_size,
        )

    def measured(self) -> dict[Intervention, Measured]:
        """Return what was measured under every edit on the sentences so far."""
        return {
            edit: Measured.of(self._metric.measurement(np.concatenate(parts), self._rows.settings))
            for edit, parts in self._parts.items()
        }

    def intervals(self, tuned_for: int) -> dict[Comparison, tuple[float, float, float]]:
        """Return the mean difference of each comparison, per token, with its interval."""
        means = {edit: np.concatenate(parts).T for edit, parts in self._ratios.items()}
        sign = -1.0 if self._metric.higher_is_better else 1.0
        intervals = {}
        for key, (top, others) in self._comparisons.items():
            above = np.mean([means[edit][0] for edit in top], axis=0)
            other = np.mean([means[edit][0] for order in others for edit in order], axis=0)
            differences, below = sign * (above - other), means[top[0]][1]
            intervals[key] = ratio_sequence(differences, below, self._level, tuned_for)
        return intervals


def _rows_of(rows: RowStatistics, chosen: np.ndarray) -> RowStatistics:
    """Return the rows of some sentences, pairs or documents, numbered in their order."""
    number_of = np.full(rows.n_units, -1, dtype=np.int64)
    number_of[chosen] = np.arange(len(chosen))
    kept = np.flatnonzero(number_of[rows.units] >= 0)
    return replace(
        rows,
        sizes=[rows.sizes[row] for row in kept.tolist()],
        units=number_of[rows.units[kept]],
        n_units=len(chosen),
        score=lambda numbers: rows.score(kept[numbers]),
        alike=None if rows.alike is None else [rows.alike[row] for row in kept.tolist()],
    )
