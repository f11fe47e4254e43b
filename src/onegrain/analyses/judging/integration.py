"""The area under a curve, in the corpus and in every draw of its sentences.

This is the only definition of the area under an ablation curve. Comparisons, reports and
:func:`onegrain.analyses.task_importance` all use it.
"""

from __future__ import annotations

import numpy as np

from onegrain.analyses.questions.damage import change_for_the_worse, damage
from onegrain.core.bootstrap import quantile_interval
from onegrain.records.curve import Curve

__all__ = [
    "LEVEL",
    "area_under",
    "bounded",
    "intact_draws",
    "less",
    "line_damage",
    "places_on",
    "trapezoid_weights",
]

LEVEL = 0.95
"""Default level of an interval."""


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
    intact = intact_draws(curve)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = change_for_the_worse(curve, draws, intact)
    shares = rows["neurons"].to_numpy(np.float64) / curve.n_neurons
    values = np.column_stack([measured, np.where(np.isfinite(drawn), drawn, np.nan)])
    if shares[0] > 0:
        shares, values = np.append(0.0, shares), np.vstack([np.zeros(values.shape[1]), values])
    return shares, values


def intact_draws(curve: Curve) -> np.ndarray:
    """Return the metric with nothing erased in each draw, float64 (resamples,); empty without draws."""
    if curve.draws is None:
        return np.empty(0)
    return curve.draws[np.flatnonzero(curve.points["neurons"] == 0)[0]]


def area_under(
    places: np.ndarray, values: np.ndarray, begin: float, until: float, scale: str = "linear"
) -> np.ndarray:
    """Return the mean of a curve from ``begin`` to ``until``: the area under it, divided by the length.

    The curve is straight between its points.

    Args:
        places: float64 (points,), rising; they reach from ``begin`` or less to ``until`` or more.
        values: float64 (points, columns), one curve per column.
        begin: where the mean starts.
        until: where it ends.
        scale: scale of the places, ``linear`` or ``log``.

    Returns:
        float64 (columns,).

    >>> area_under(np.array([0.0, 1.0]), np.array([[0.0], [4.0]]), 0.0, 0.5).tolist()
    [1.0]
    """
    within, clipped = _clipped(places, values, begin, until)
    return trapezoid_weights(places_on(within, scale)) @ clipped


def _clipped(
    places: np.ndarray, values: np.ndarray, begin: float, until: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the points from ``begin`` to ``until`` inclusive, on straight lines between those measured."""
    inside = places[(places > begin) & (places < until)]
    wanted = np.concatenate([[begin], inside, [until]])
    after = np.clip(np.searchsorted(places, wanted), 1, len(places) - 1)
    part = ((wanted - places[after - 1]) / (places[after] - places[after - 1]))[:, None]
    return wanted, values[after - 1] + part * (values[after] - values[after - 1])


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


def places_on(neurons: np.ndarray, scale: str) -> np.ndarray:
    """Return numbers of neurons as places on a scale, ``linear`` or ``log``; float64, same shape."""
    numbers = np.asarray(neurons, dtype=np.float64)
    return np.log(numbers) if scale == "log" else numbers


def less(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the difference of two areas in the corpus and every draw; without draws, in the corpus only."""
    return first - second if len(first) == len(second) else (first - second[:1])[:1]


def bounded(values: np.ndarray, level: float) -> tuple[float, float, float]:
    """Return an area and its interval.

    Args:
        values: float64 (1 + resamples,): the area in the corpus, then in every draw.
        level: level of the interval, between 0 and 1.

    Returns:
        The area, lower and upper bound; the bounds are NaN without draws.
    """
    if len(values) == 1:
        return float(values[0]), float("nan"), float("nan")
    low, high = quantile_interval(values[1:, None], level)
    return float(values[0]), float(low[0]), float(high[0])
