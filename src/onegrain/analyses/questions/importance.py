"""Question 4 of [Dalvi19]: do the neurons matter to the task of the model?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onegrain.analyses.judging.integration import LEVEL, area_under, bounded, less, line_damage
from onegrain.analyses.questions.damage import damage, require_one_task, tasks
from onegrain.errors import ParameterError
from onegrain.metrics.registry import is_logarithmic
from onegrain.records.curve import LINES, Curve

__all__ = ["TaskImportance", "damage", "half_lost", "task_importance", "tasks"]

AT_SHARES = ["ordering", "line", "share", "erased", "value", "low", "high", "damage"]
SHARES = (0.05, 0.1, 0.2, 0.5)
NEAR = 0.25
"""A share is read at the nearest measured point, if that is within this part of it."""


@dataclass(frozen=True, eq=False)
class TaskImportance:
    """The effect of erasing neurons on a model, for several orderings side by side.

    Attributes:
        metric: the metric's name.
        higher_is_better: True if higher values mean a better model.
        intact: the metric with nothing erased.
        at_shares: one row per ordering, line and share: ``ordering``, ``line``, ``share``, ``erased``
            (neurons, the measured number nearest to the share, left out if none is within a quarter of
            it), ``value``, ``low``, ``high``, ``damage``.
        summary: one row per ordering and line: ``ordering``, ``line``, ``area`` (mean damage over the shares
            erased from 0 to ``until``, as in :func:`onegrain.analyses.ablation_areas`: nats, or points of the
            metric), ``low``, ``high`` (95 % interval of the area over sentences; NaN for curves without draws),
            ``half_lost`` (neurons at which a higher-is-better metric has fallen to half, or a lower-is-better
            one has doubled; interpolated; NaN if that never happens), ``half_lost_share`` (of all neurons).
        gaps: one row per ordering: ``ordering``, ``top_minus_bottom`` and ``top_minus_random`` (differences of
            areas; positive if the ordering puts the neurons first that the task needs; NaN if a line is
            missing), each with ``*_low`` and ``*_high``, its interval.
        until: the largest share erased that all lines reach; areas run from 0 to it.
    """

    metric: str
    higher_is_better: bool
    intact: float
    at_shares: pd.DataFrame
    summary: pd.DataFrame
    gaps: pd.DataFrame
    until: float


def half_lost(curve: Curve, line: str) -> float:
    """Return how many neurons are erased when the metric has halved, or doubled if it is a perplexity.

    A doubled perplexity halves the (geometric mean) probability of a token. Linear interpolation of the
    damage between measured points; NaN where the line never gets there, and for a metric that has no half: one
    that is not above 0 for the intact model, or whose lower values are better, such as a divergence.
    """
    rows = curve.line(line)
    harm = damage(curve, rows["value"].to_numpy())
    logarithmic = is_logarithmic(curve.metric, curve.higher_is_better)
    if not logarithmic and (curve.intact <= 0 or not curve.higher_is_better):
        return float("nan")
    wanted = float(np.log(2.0)) if logarithmic else curve.intact / 2
    reached = np.flatnonzero(harm >= wanted)
    if not reached.size:
        return float("nan")
    after = int(reached[0])
    erased = rows["neurons"].to_numpy(np.float64)
    if after == 0:
        return float(erased[0])
    part = (wanted - harm[after - 1]) / (harm[after] - harm[after - 1])
    return float(erased[after - 1] + part * (erased[after] - erased[after - 1]))


def task_importance(curves: Mapping[str, Curve], shares: Sequence[float] = SHARES) -> TaskImportance:
    """Compare orderings by the harm that erasing their top, bottom and random neurons does to one model.

    Args:
        curves: name of an ordering (``lca``, ``maxcorr``, ...) -> its curve, all of one model, metric and
            test set.
        shares: parts of all neurons at which to read the curves, each above 0 and at most 1.

    Raises:
        ParameterError: no curve, or a share outside its range.
        MismatchError: the curves are not of one model, metric and test set.
    """
    first = require_one_task(curves)
    if any(not 0 < share <= 1 for share in shares):
        raise ParameterError(f"shares are parts of all neurons, above 0 and at most 1, got {list(shares)}")
    lines = [(name, line) for name in curves for line in LINES if len(curves[name].line(line)) > 1]
    if not lines:
        raise ParameterError("no curve has a line with more than one point; erase in at least one step")
    damages = {key: line_damage(curves[key[0]], key[1]) for key in lines}
    until = min(float(shares_erased[-1]) for shares_erased, _ in damages.values())
    areas = {key: area_under(*points, 0.0, until) for key, points in damages.items()}
    at_rows: list[dict] = []
    rows = []
    for name, line in lines:
        curve = curves[name]
        half = half_lost(curve, line)
        area, low, high = bounded(areas[name, line], LEVEL)
        row = {"ordering": name, "line": line, "area": area, "low": low, "high": high}
        rows.append(row | {"half_lost": half, "half_lost_share": half / curve.n_neurons})
        at_rows += _at_shares(name, curve, line, shares)
    return TaskImportance(
        metric=first.metric,
        higher_is_better=first.higher_is_better,
        intact=first.intact,
        at_shares=pd.DataFrame(at_rows, columns=AT_SHARES),
        summary=pd.DataFrame(rows),
        gaps=_gaps(list(curves), areas),
        until=until,
    )


def _gaps(names: list[str], areas: Mapping[tuple[str, str], np.ndarray]) -> pd.DataFrame:
    """Return the area of each top less those of the bottom and of random, with intervals from shared draws."""
    rows = []
    for name in names:
        row: dict[str, str | float] = {"ordering": name}
        for line in ("bottom", "random"):
            top, other = areas.get((name, "top")), areas.get((name, line))
            values = (np.nan,) * 3 if top is None or other is None else bounded(less(top, other), LEVEL)
            column = f"top_minus_{line}"
            row |= dict(zip((column, f"{column}_low", f"{column}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _at_shares(name: str, curve: Curve, line: str, shares: Sequence[float]) -> list[dict]:
    rows = curve.line(line)
    erased = rows["neurons"].to_numpy(np.float64)
    readings = []
    for share in shares:
        wanted = share * curve.n_neurons
        nearest = int(np.argmin(np.abs(erased - wanted)))
        if abs(erased[nearest] - wanted) > NEAR * wanted + 0.5:
            continue
        row = rows.iloc[nearest]
        point = {column: float(row[column]) for column in ("value", "low", "high")}
        harm = float(damage(curve, np.array([point["value"]]))[0])
        reading = {"ordering": name, "line": line, "share": share, "erased": int(row["neurons"])}
        readings.append(reading | point | {"damage": harm})
    return readings
