"""Tests of the differences in a sweep: between rankings, and against matched random neurons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from onegrain.analyses.judging.integration import LEVEL, bounded
from onegrain.analyses.questions.damage import damage
from onegrain.analyses.sweeps.settings import SettingAreas, setting_areas
from onegrain.core.bootstrap import adjusted_p_values, draw_p_values
from onegrain.errors import OnegrainError
from onegrain.records.curve import Curve
from onegrain.records.sweep import Setting, Sweep

__all__ = ["Significance", "significance", "smallest_exceeding"]

SETTING = ["ranking", "label", "metric", "edit"]
BOUNDS = ["low", "high"]
AREAS = [*SETTING, "line", "area", *BOUNDS]
AGAINST = [*SETTING, "gap", *BOUNDS, "p", "q", "exceeded", "orders", "p_orders", "smallest", "smallest_share"]
DIFFERENCES = ["label", "metric", "edit", "first", "second", "difference", *BOUNDS, "p", "q"]


@dataclass(frozen=True, eq=False)
class Significance:
    """Areas of a sweep with intervals, and paired tests of their differences.

    Attributes:
        areas: one row per ranking, ``label``, ``metric``, ``edit`` and ``line``: ``area`` (mean damage over the
            share of neurons edited), ``low``, ``high``.
        against_random: one row per ranking, label, metric and edit: ``gap`` (area of the top less that of the
            mean random order), ``low``, ``high``; ``p``, that the gap is 0, and
            ``q``, corrected; ``exceeded``, how many of the ``orders`` have a smaller area than the top, and
            ``p_orders``, that the top is one more random order; ``smallest``, the smallest measured number of
            neurons whose damage exceeds that of every random order of as many (NaN if there is none), and
            ``smallest_share``.
        differences: one row for every two rankings of a label, metric and edit: the area of the top of the
            ``first`` less that of the ``second``, ``low``, ``high``, ``p`` and ``q``.
        until: the share of the neurons to which the areas reach, from 0.
        level: of the intervals, which are NaN without draws.
    """

    areas: pd.DataFrame
    against_random: pd.DataFrame
    differences: pd.DataFrame
    until: float
    level: float


def significance(sweep: Sweep, *, level: float = LEVEL) -> Significance:
    """Test the differences of areas between rankings, and against random orders, on paired draws.

    In each draw the random orders are drawn with replacement as well.

    ``p`` is that of :func:`onegrain.core.bootstrap.draw_p_values`. ``p_orders``
    is the rank of the top among the random orders, (1 + those with an area as large) / (1 + all of them)
    [Phipson and Smyth 2010]; with few orders it cannot be small. Each table's ``q`` corrects its ``p`` for all
    of its rows; see :func:`onegrain.core.bootstrap.adjusted_p_values`.

    Args:
        sweep: the record.
        level: of the intervals, between 0 and 1.

    Raises:
        ParameterError: no line edits neurons.
    """
    areas = setting_areas(sweep)
    rows = [
        (*setting, line, *bounded(values, level))
        for setting, of_setting in areas.items()
        for line, values in of_setting.lines.items()
    ]
    against = [
        _against(setting, each, level) for setting, each in areas.items() if each.over_random is not None
    ]
    return Significance(
        pd.DataFrame(rows, columns=AREAS),
        _corrected(pd.DataFrame(against, columns=AGAINST)),
        _corrected(pd.DataFrame(_differences(areas, level), columns=DIFFERENCES)),
        next(iter(areas.values())).until,
        level,
    )


def smallest_exceeding(curve: Curve) -> float:
    """Return the smallest number of neurons at which the top damages more than every random order.

    Only numbers that both lines were measured at count; NaN if there is none.
    """
    worst = "low" if curve.higher_is_better else "high"
    both = curve.line("top").merge(curve.line("random"), on="neurons", suffixes=("", "_random"))
    both = both[both["neurons"] > 0]
    if both.empty:
        return float("nan")
    try:
        top, random = (damage(curve, both[name].to_numpy()) for name in ("value", f"{worst}_random"))
    except OnegrainError:  # a value that is not finite has no damage
        return float("nan")
    exceeding = both["neurons"].to_numpy()[top > random]
    return float(exceeding[0]) if len(exceeding) else float("nan")


def _against(setting: Setting, areas: SettingAreas, level: float) -> tuple[object, ...]:
    gap = areas.over_random
    assert gap is not None
    top, orders = areas.lines["top"][0], areas.orders[:, 0]
    exceeded = int((orders < top).sum())
    p_orders = (1 + len(orders) - exceeded) / (1 + len(orders))
    smallest = smallest_exceeding(areas.curve)
    share = smallest / areas.curve.n_neurons
    tests = (_p_value(gap), float("nan"), exceeded, len(orders), p_orders, smallest, share)
    return (*setting, *bounded(gap, level), *tests)


def _differences(areas: Mapping[Setting, SettingAreas], level: float) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for group in dict.fromkeys(setting[1:] for setting in areas):
        tops = {
            setting[0]: each.lines["top"]
            for setting, each in areas.items()
            if setting[1:] == group and "top" in each.lines
        }
        for first, second in combinations(tops, 2):
            difference = tops[first] - tops[second]
            row = (*bounded(difference, level), _p_value(difference), float("nan"))
            rows.append((*group, first, second, *row))
    return rows


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(q=adjusted_p_values(table["p"].to_numpy(np.float64)))


def _p_value(values: np.ndarray) -> float:
    """Return the p-value that a difference is 0 from (1 + resamples,) values; NaN without draws."""
    return float(draw_p_values(values[1:, None])[0])
