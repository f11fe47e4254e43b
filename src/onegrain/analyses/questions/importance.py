"""Question 4 of [Dalvi19]: do the neurons matter to the task of the model?

A curve says how a metric changes as neurons are erased. *Damage* is its change for the worse, positive
whichever direction is better: ``intact - value`` where higher is better; ``log(value / intact)`` (nats) where
lower is better, so that the damage to a perplexity is the rise of the mean negative log-likelihood per token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from onegrain.errors import MismatchError, ParameterError
from onegrain.records.curve import Curve

__all__ = ["TOLERANCE", "TaskImportance", "damage", "half_lost", "require_one_task", "task_importance", "tasks"]

AT_SHARES = ["ordering", "line", "share", "erased", "value", "low", "high", "damage"]
SHARES = (0.05, 0.1, 0.2, 0.5)
LINES = ("top", "bottom", "random")
TOLERANCE = 1e-3
"""Largest relative difference between the intact metrics of curves of one model."""
NEAR = 0.25
"""A share is read at the nearest measured point, if that is within this part of it."""


@dataclass(frozen=True, eq=False)
class TaskImportance:
    """What erasing neurons does to a model, one ordering beside the other.

    Attributes:
        metric: the metric's name.
        higher_is_better: whether a larger value is a better model.
        intact: the metric with nothing erased.
        at_shares: one row an ordering, line and share: ``ordering``, ``line``, ``share``, ``erased``
            (neurons, the measured number nearest to the share, left out where none is within a quarter of
            it), ``value``, ``low``, ``high``, ``damage``.
        summary: one row an ordering and line: ``ordering``, ``line``, ``area`` (under the damage curve over
            the share erased, both as parts of 1; 1 means that the first neuron did all the harm),
            ``half_lost`` (neurons at which a higher-is-better metric has fallen to half, or a lower-is-better
            one has doubled; interpolated; NaN where that never happens), ``half_lost_share`` (of all
            neurons).
        gaps: one row an ordering: ``ordering``, ``top_minus_bottom`` and ``top_minus_random`` (differences of
            areas; positive where the ordering puts the neurons first that the task needs; NaN where a line is
            missing).
        until: the largest share erased that all lines reach; areas run from 0 to it.
    """

    metric: str
    higher_is_better: bool
    intact: float
    at_shares: pd.DataFrame
    summary: pd.DataFrame
    gaps: pd.DataFrame
    until: float


def damage(curve: Curve, values: np.ndarray) -> np.ndarray:
    """Change for the worse of metric values against the intact model: float64, same shape, positive is harm.

    Raises:
        ParameterError: a value is not finite, or a lower-is-better metric is not above 0 (its logarithm is
            taken).
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite([curve.intact, *numbers]).all():
        raise ParameterError(f"a {curve.metric} of this curve is not finite; erase fewer neurons, or by mean")
    if curve.higher_is_better:
        return curve.intact - numbers
    if curve.intact <= 0 or (numbers <= 0).any():
        raise ParameterError(f"{curve.metric} is lower-is-better, so it must be above 0; got {numbers.min()}")
    return np.log(numbers / curve.intact)


def half_lost(curve: Curve, line: str) -> float:
    """Neurons erased when half is lost: the metric halved, or doubled where lower is better.

    A doubled perplexity halves the (geometric mean) probability of a token. Linear interpolation of the
    damage between measured points; NaN where the line never gets there.
    """
    rows = curve.line(line)
    harm = damage(curve, rows["value"].to_numpy())
    wanted = curve.intact / 2 if curve.higher_is_better else float(np.log(2.0))
    reached = np.flatnonzero(harm >= wanted)
    if not reached.size:
        return float("nan")
    at = int(reached[0])
    erased = rows["erased"].to_numpy(np.float64)
    if at == 0:
        return float(erased[0])
    part = (wanted - harm[at - 1]) / (harm[at] - harm[at - 1])
    return float(erased[at - 1] + part * (erased[at] - erased[at - 1]))


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
    until = min(float(curves[name].line(line)["erased"].max()) / curves[name].n_neurons for name, line in lines)
    worst = max(_worst(curves[name], line, until) for name, line in lines)
    at_rows: list[dict] = []
    rows = []
    for name, line in lines:
        curve = curves[name]
        half = half_lost(curve, line)
        area = _area(curve, line, until) / worst if worst > 0 else 0.0
        rows.append({"ordering": name, "line": line, "area": area})
        rows[-1] |= {"half_lost": half, "half_lost_share": half / curve.n_neurons}
        at_rows += _at_shares(name, curve, line, shares)
    summary = pd.DataFrame(rows)
    return TaskImportance(
        metric=first.metric,
        higher_is_better=first.higher_is_better,
        intact=first.intact,
        at_shares=pd.DataFrame(at_rows, columns=AT_SHARES),
        summary=summary,
        gaps=_gaps(list(curves), summary),
        until=until,
    )


def require_one_task(curves: Mapping[str, Curve]) -> Curve:
    """The first of the curves; MismatchError unless all are of one model, metric and test set."""
    if not curves:
        raise ParameterError("no curve was given; ablate a model with at least one ranking first")
    named = list(curves.items())
    first_name, first = named[0]
    for name, curve in named[1:]:
        apart = _apart(first, curve)
        if apart is not None:
            raise MismatchError(f"curves {first_name!r} and {name!r} {apart}")
    return first


def tasks(curves: Mapping[str, Curve]) -> list[dict[str, Curve]]:
    """The curves in groups, each of one model, metric and test set; in the order of their first."""
    found: list[dict[str, Curve]] = []
    for name, curve in curves.items():
        own = next((group for group in found if _apart(next(iter(group.values())), curve) is None), None)
        if own is None:
            found.append({name: curve})
        else:
            own[name] = curve
    return found


def _apart(first: Curve, second: Curve) -> str | None:
    """What tells the tasks of two curves apart; None where they are of one."""
    if (first.metric, first.higher_is_better) != (second.metric, second.higher_is_better):
        return f"are of different metrics: {first.metric} and {second.metric}"
    models = [c.provenance.model.weight_hash for c in (first, second) if c.provenance.model is not None]
    if len(set(models)) > 1:
        return f"are of different models: {' and '.join(m[:12] for m in models)}"
    if not np.isclose(second.intact, first.intact, rtol=TOLERANCE):
        return (
            f"start from different {first.metric}: {first.intact:.6g} and {second.intact:.6g} with nothing "
            "erased; measure both on the same test set"
        )
    return None


def _points(curve: Curve, line: str) -> tuple[np.ndarray, np.ndarray]:
    """Share erased and damage of one line, starting at (0, 0)."""
    rows = curve.line(line)
    shares = rows["erased"].to_numpy(np.float64) / curve.n_neurons
    harm = damage(curve, rows["value"].to_numpy())
    if shares[0] > 0:
        shares, harm = np.append(0.0, shares), np.append(0.0, harm)
    return shares, harm


def _clipped(curve: Curve, line: str, until: float) -> tuple[np.ndarray, np.ndarray]:
    shares, harm = _points(curve, line)
    inside = shares < until
    return np.append(shares[inside], until), np.append(harm[inside], np.interp(until, shares, harm))


def _worst(curve: Curve, line: str, until: float) -> float:
    return float(_clipped(curve, line, until)[1].max())


def _area(curve: Curve, line: str, until: float) -> float:
    """Mean damage over the shares from 0 to ``until`` (trapezoids)."""
    shares, harm = _clipped(curve, line, until)
    return float(np.trapezoid(harm, shares) / until)


def _at_shares(name: str, curve: Curve, line: str, shares: Sequence[float]) -> list[dict]:
    rows = curve.line(line)
    erased = rows["erased"].to_numpy(np.float64)
    found = []
    for share in shares:
        wanted = share * curve.n_neurons
        at = int(np.argmin(np.abs(erased - wanted)))
        if abs(erased[at] - wanted) > NEAR * wanted + 0.5:
            continue
        row = rows.iloc[at]
        point = {column: float(row[column]) for column in ("value", "low", "high")}
        harm = float(damage(curve, np.array([point["value"]]))[0])
        found.append({"ordering": name, "line": line, "share": share, "erased": int(row["erased"]), **point})
        found[-1]["damage"] = harm
    return found


def _gaps(names: list[str], summary: pd.DataFrame) -> pd.DataFrame:
    areas = {(row.ordering, row.line): row.area for row in summary.itertuples()}
    rows = []
    for name in names:
        top = areas.get((name, "top"), np.nan)
        row = {"ordering": name}
        for line in ("bottom", "random"):
            row[f"top_minus_{line}"] = top - areas.get((name, line), np.nan)
        rows.append(row)
    return pd.DataFrame(rows)
