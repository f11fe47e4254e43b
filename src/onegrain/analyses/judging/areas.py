"""The area under each curve of an evaluation or an ablation, with intervals from shared bootstrap draws.

The area is a mean: of the accuracy over the numbers of neurons kept, from the least to the most that were
measured; or of the damage over the share of the neurons erased, from none to the largest share that all curves
reach. Between measured points the curve is taken to be straight (trapezoids), on the chosen scale:

    area = sum_i (x_{i+1} - x_i) (y_i + y_{i+1}) / 2 / (x_m - x_1),   x = n ("linear") or log n ("log")

An area is linear in the y_i, so it has a value in every draw of the sentences, and the quantiles of these are
its interval. Curves of one metric on one corpus share their draws: a difference of areas is taken within each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onegrain.analyses.judging.integration import (
    LEVEL,
    area_under,
    bounded,
    intact_draws,
    less,
    line_damage,
    places_on,
    trapezoid_weights,
)
from onegrain.analyses.questions.damage import TOLERANCE, require_one_task
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.curve import LINES, Curve, share_random
from onegrain.records.evaluation import Evaluation

__all__ = ["ABLATION", "SCALES", "Areas", "ablation_areas", "kept_areas"]

SCALES = ("log", "linear")
ABLATION = "ablation"
AREAS = ["kind", "ranking", "line", "area", "low", "high"]
GAPS = ["kind", "ranking", "against", "gap", "low", "high"]
DIFFERENCES = ["kind", "first", "second", "difference", "low", "high"]


@dataclass(frozen=True, eq=False)
class Areas:
    """Areas under curves, and their differences.

    Attributes:
        table: one row per curve: ``kind`` (``masking``, ``retraining`` or ``ablation``), ``ranking`` (None for
            the random orders that all rankings share), ``line`` (``top``, ``bottom`` or ``random``), ``area``,
            ``low``, ``high``. Accuracies from 0 to 1; damage in nats per token or in points of the metric.
        gaps: one row per ranking and other line: ``against`` (``bottom`` or ``random``), ``gap`` (area of the
            top less area of that line), ``low``, ``high``. Positive if the ranking puts neurons first that
            the probe, or the model, needs.
        differences: one row for every two rankings: area of the ``top`` of the ``first`` less that of the
            ``second``, ``low``, ``high``. The two differ where the interval leaves 0 out; among many pairs some
            will by chance.
        level: level of the intervals, which are NaN for a curve without draws.
    """

    table: pd.DataFrame
    gaps: pd.DataFrame
    differences: pd.DataFrame
    level: float

    def of(self, kind: str, ranking: str | None = None, line: str = "top") -> tuple[float, float, float]:
        """Return one area and its bounds; NaN if there is none."""
        rows = self.table[(self.table["kind"] == kind) & (self.table["line"] == line)]
        rows = rows[rows["ranking"].isna() if ranking is None else rows["ranking"] == ranking]
        if not len(rows):
            return float("nan"), float("nan"), float("nan")
        first = rows.iloc[0]
        return float(first["area"]), float(first["low"]), float(first["high"])

    @classmethod
    def joined(cls, parts: Sequence[Areas]) -> Areas:
        """Join areas of one level."""
        table, gaps, differences = (
            pd.DataFrame([row for part in parts for row in getattr(part, name).to_numpy().tolist()], columns=of)
            for name, of in (("table", AREAS), ("gaps", GAPS), ("differences", DIFFERENCES))
        )
        return cls(table, gaps, differences, parts[0].level)


def kept_areas(evaluation: Evaluation, *, scale: str = "log", level: float = LEVEL) -> Areas:
    """Measure the area under each line of an evaluation: mean accuracy over the numbers of neurons kept.

    Args:
        evaluation: the record.
        scale: ``log``, every doubling of the number of neurons counts alike; or ``linear``, every neuron does,
            which leaves little weight to small sets, in which rankings differ most.
        level: level of the intervals, between 0 and 1.

    Raises:
        ParameterError: another scale, or a level outside (0, 1).
    """
    _require(scale, level)
    known = evaluation.points[["kind", "keep", "ranking"]].drop_duplicates().to_numpy(dtype=object)
    areas: dict[_Line, np.ndarray] = {}
    for kind in evaluation.kinds:
        lines = [(keep, None if pd.isna(name) else name) for of, keep, name in known if of == kind]
        for keep, name in lines:
            line = evaluation.line(kind, keep, name)
            values = np.column_stack([line["accuracy"], evaluation.draws_of(kind, keep, name)])
            areas[kind, name, keep] = trapezoid_weights(places_on(line["neurons"].to_numpy(), scale)) @ values
    return _areas(areas, evaluation.kinds, evaluation.names, level)


def ablation_areas(curves: Mapping[str, Curve], *, scale: str = "linear", level: float = LEVEL) -> Areas:
    """Measure the area under each line of ablation curves: mean damage over the share of neurons erased.

    Damage is the change for the worse, see :func:`onegrain.analyses.damage`, against the intact model in the
    same draw. A ranking is compared with the random orders of its own curve; if only one curve has some, or all
    have the same, with those. Curves without draws, which were made
    by a version that kept none, have areas without intervals.

    Args:
        curves: name of a ranking -> its curve, all of one model, metric and test set.
        scale: ``linear``, every neuron erased counts alike; or ``log``, every doubling of their number does,
            from the smallest number above none that was measured in all curves.
        level: level of the intervals, between 0 and 1.

    Raises:
        ParameterError: no curve, another scale, a level outside (0, 1), or a curve with one point.
        MismatchError: the curves are not of one model, metric and test set.
    """
    _require(scale, level)
    require_one_task(curves)
    _require_shared_draws(curves)
    shared = share_random(curves.values())
    lines: dict[_Line, tuple[np.ndarray, np.ndarray]] = {}
    for name, curve in curves.items():
        for line in LINES:
            key = (ABLATION, None if line == "random" and shared else name, line)
            if key not in lines and len(curve.line(line)):
                lines[key] = line_damage(curve, line)
    if any(len(places) < 2 for places, _ in lines.values()):
        raise ParameterError("a curve has one point alone; erase in at least one step")
    until = min(places[-1] for places, _ in lines.values())
    begin = max(places[places > 0][0] for places, _ in lines.values()) if scale == "log" else 0.0
    if begin >= until:
        raise ParameterError("on the log scale an area needs two numbers of neurons above none")
    areas = {}
    for key, (places, values) in lines.items():
        areas[key] = area_under(places, values, begin, until, scale)
    return _areas(areas, (ABLATION,), tuple(curves), level)


_Line = tuple[str, str | None, str]
"""Kind, ranking, line."""


def _areas(
    values: Mapping[_Line, np.ndarray], kinds: Sequence[str], names: Sequence[str], level: float
) -> Areas:
    """Return the tables for (1 + resamples,) values of every area, that of the corpus first."""
    random = {kind: values.get((kind, None, "random")) for kind in kinds}
    areas = [(*line, *bounded(of_line, level)) for line, of_line in values.items()]
    gaps, differences = [], []
    for kind in kinds:
        tops = {name: values[kind, name, "top"] for name in names if (kind, name, "top") in values}
        for name, top in tops.items():
            others = {
                "bottom": values.get((kind, name, "bottom")),
                "random": values.get((kind, name, "random"), random[kind]),
            }
            for against, other in others.items():
                if other is not None:
                    gaps.append((kind, name, against, *bounded(less(top, other), level)))
        listed = list(tops)
        for position, first in enumerate(listed):
            for second in listed[position + 1 :]:
                row = bounded(less(tops[first], tops[second]), level)
                differences.append((kind, first, second, *row))
    return Areas(
        pd.DataFrame(areas, columns=AREAS),
        pd.DataFrame(gaps, columns=GAPS),
        pd.DataFrame(differences, columns=DIFFERENCES),
        level,
    )


def _require(scale: str, level: float) -> None:
    if scale not in SCALES:
        raise ParameterError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")


def _require_shared_draws(curves: Mapping[str, Curve]) -> None:
    """Raise MismatchError unless the intact model has the same value in every draw of every curve."""
    intact = {name: intact_draws(curve) for name, curve in curves.items() if curve.draws is not None}
    for name, values in list(intact.items())[1:]:
        first, reference = next(iter(intact.items()))
        if values.shape != reference.shape or not np.allclose(
            values, reference, rtol=TOLERANCE, equal_nan=True
        ):
            raise MismatchError(
                f"curves {first!r} and {name!r} draw the sentences of the bootstrap differently, so that their "
                "areas have no common draws; measure both with one version, on the same test set"
            )
