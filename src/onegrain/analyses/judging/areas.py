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

from onegrain.analyses.questions.damage import TOLERANCE, damage, require_one_task
from onegrain.core.bootstrap import quantile_interval
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.curve import LINES, Curve
from onegrain.records.evaluation import Evaluation

__all__ = [
    "ABLATION",
    "LEVEL",
    "SCALES",
    "Areas",
    "ablation_areas",
    "area_under",
    "bounded",
    "kept_areas",
    "less",
    "line_damage",
    "trapezoid_weights",
]

SCALES = ("log", "linear")
ABLATION = "ablation"
LEVEL = 0.95
"""Level of an interval unless another is asked for."""
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
        level: of the intervals, which are NaN for a curve without draws.
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


def trapezoid_weights(places: np.ndarray) -> np.ndarray:
    """Return weights, float64 (points,), for which ``weights @ values`` is the mean of the straight-line curve.

    Args:
        places: float64 (points,), rising. A single point has the weight 1.

    >>> trapezoid_weights(np.array([0.0, 1.0, 4.0])).tolist()
    [0.125, 0.5, 0.375]
    """
    if len(places) == 1:
        return np.ones(1)
    steps = np.diff(places)
    sides = np.zeros(len(places))
    sides[:-1] += steps / 2.0
    sides[1:] += steps / 2.0
    return sides / (places[-1] - places[0])


def kept_areas(evaluation: Evaluation, *, scale: str = "log", level: float = LEVEL) -> Areas:
    """Measure the area under each line of an evaluation: mean accuracy over the numbers of neurons kept.

    Args:
        evaluation: the record.
        scale: ``log``, every doubling of the number of neurons counts alike; or ``linear``, every neuron does,
            which leaves little weight to small sets, in which rankings differ most.
        level: of the intervals, between 0 and 1.

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
            areas[kind, name, keep] = trapezoid_weights(_places(line["neurons"].to_numpy(), scale)) @ values
    return _areas(areas, evaluation.kinds, evaluation.names, level)


def ablation_areas(curves: Mapping[str, Curve], *, scale: str = "linear", level: float = LEVEL) -> Areas:
    """Measure the area under each line of ablation curves: mean damage over the share of neurons erased.

    Damage is the change for the worse, see :func:`onegrain.analyses.damage`, against the intact model in the
    same draw. The random line is that of the first curve that has one. Curves without draws, which were made
    by a version that kept none, have areas without intervals.

    Args:
        curves: name of a ranking -> its curve, all of one model, metric and test set.
        scale: ``linear``, every neuron erased counts alike; or ``log``, every doubling of their number does,
            from the smallest number above none that was measured in all curves.
        level: of the intervals, between 0 and 1.

    Raises:
        ParameterError: no curve, another scale, a level outside (0, 1), or a curve with one point.
        MismatchError: the curves are not of one model, metric and test set.
    """
    _require(scale, level)
    require_one_task(curves)
    _require_shared_draws(curves)
    lines: dict[_Line, tuple[np.ndarray, np.ndarray]] = {}
    for name, curve in curves.items():
        for line in LINES:
            key = (ABLATION, None if line == "random" else name, line)
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


def _places(neurons: np.ndarray, scale: str) -> np.ndarray:
    numbers = np.asarray(neurons, dtype=np.float64)
    return np.log(numbers) if scale == "log" else numbers


def line_damage(curve: Curve, line: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the shares erased and the damage at each, starting at (0, 0).

    Returns:
        float64 (points,) and (points, 1 + resamples): the damage in the corpus, then in each draw of the
        sentences; no draws for a curve that was made without.

    Raises:
        ParameterError: a value has no damage; see :func:`damage`.
    """
    rows = curve.line(line)
    draws = curve.draws_of(line)
    measured = damage(curve, rows["value"].to_numpy())
    intact = _intact_draws(curve)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = intact - draws if curve.higher_is_better else np.log(draws / intact)
    shares = rows["neurons"].to_numpy(np.float64) / curve.n_neurons
    values = np.column_stack([measured, np.where(np.isfinite(drawn), drawn, np.nan)])
    if shares[0] > 0:
        shares, values = np.append(0.0, shares), np.vstack([np.zeros(values.shape[1]), values])
    return shares, values


def _intact_draws(curve: Curve) -> np.ndarray:
    """Return the metric with nothing erased in each draw, float64 (resamples,); empty without draws."""
    if curve.draws is None:
        return np.empty(0)
    return curve.draws[np.flatnonzero(curve.points["neurons"] == 0)[0]]


def area_under(
    places: np.ndarray, values: np.ndarray, begin: float, until: float, scale: str = "linear"
) -> np.ndarray:
    """Return the mean of a curve from ``begin`` to ``until``: the area under it, divided by the length.

    This is the only definition of an area under an ablation curve. The curve is straight between its points.

    Args:
        places: float64 (points,), rising; they reach from ``begin`` or less to ``until`` or more.
        values: float64 (points, columns), one curve per column.
        begin: where the mean starts.
        until: where it ends.
        scale: of the places, ``linear`` or ``log``.

    Returns:
        float64 (columns,).

    >>> area_under(np.array([0.0, 1.0]), np.array([[0.0], [4.0]]), 0.0, 0.5).tolist()
    [1.0]
    """
    within, clipped = _clipped(places, values, begin, until)
    return trapezoid_weights(_places(within, scale)) @ clipped


def _clipped(
    places: np.ndarray, values: np.ndarray, begin: float, until: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points from ``begin`` to ``until`` inclusive, on straight lines between those measured."""
    inside = places[(places > begin) & (places < until)]
    wanted = np.concatenate([[begin], inside, [until]])
    after = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    part = ((wanted - places[after - 1]) / (places[after] - places[after - 1]))[:, None]
    return wanted, values[after - 1] + part * (values[after] - values[after - 1])


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
            for against, other in (("bottom", values.get((kind, name, "bottom"))), ("random", random[kind])):
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


def less(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the difference of two areas in the corpus and every draw; without draws, in the corpus only."""
    return first - second if len(first) == len(second) else (first - second[:1])[:1]


def bounded(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return an area and its interval.

    Args:
        values: float64 (1 + resamples,): the area in the corpus, then in every draw.
        level: of the interval, between 0 and 1.

    Returns:
        The area, lower and upper bound; the bounds are NaN without draws.
    """
    if len(values) == 1:
        return float(values[0]), float("nan"), float("nan")
    low, high = quantile_interval(values[1:, None], level)
    return float(values[0]), float(low[0]), float(high[0])


def _require(scale: str, level: float) -> None:
    if scale not in SCALES:
        raise ParameterError(f"scale must be one of {', '.join(SCALES)}, got {scale!r}")
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")


def _require_shared_draws(curves: Mapping[str, Curve]) -> None:
    """Raise MismatchError unless the intact model has the same value in every draw of every curve."""
    intact = {name: _intact_draws(curve) for name, curve in curves.items() if curve.draws is not None}
    for name, values in list(intact.items())[1:]:
        first, reference = next(iter(intact.items()))
        if values.shape != reference.shape or not np.allclose(
            values, reference, rtol=TOLERANCE, equal_nan=True
        ):
            raise MismatchError(
                f"curves {first!r} and {name!r} draw the sentences of the bootstrap differently, so that their "
                "areas have no common draws; measure both with one version, on the same test set"
            )
