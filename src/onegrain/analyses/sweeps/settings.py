"""The areas under the lines of a sweep, in the corpus and in every draw of its sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from onegrain.analyses.judging.integration import area_under, line_damage
from onegrain.core.bootstrap import draw_weights
from onegrain.errors import OnegrainError, ParameterError
from onegrain.records.curve import LINES, Curve
from onegrain.records.sweep import Setting, Sweep

__all__ = ["SettingAreas", "setting_areas"]


@dataclass(frozen=True, eq=False)
class SettingAreas:
    """Areas under the lines of one ranking, label, metric and edit of a sweep.

    Attributes:
        curve: the curve, with the mean of the random orders as one line.
        lines: line -> float64 (1 + resamples,), the area in the corpus, then in every draw; without draws the
            first only. Empty if a value has no damage, as an infinite perplexity has none.
        orders: float64 (random orders, 1 + resamples), the area under each random order.
        until: the share of the neurons to which the areas reach, from 0.
    """

    curve: Curve
    lines: Mapping[str, np.ndarray]
    orders: np.ndarray
    until: float

    @property
    def over_random(self) -> np.ndarray | None:
        """The area of the top less that of the mean random order, (1 + resamples,); None without both.

        Each draw of the sentences also draws the random orders with replacement, so that the difference has the
        uncertainty of both.
        """
        if "top" not in self.lines or not len(self.orders):
            return None
        number, columns = self.orders.shape
        weights = draw_weights(np.random.default_rng(0), columns, number).T / number
        weights[:, 0] = 1.0 / number
        drawn = ((weights - 1.0 / number) * self.orders).sum(axis=0)
        return self.lines["top"] - self.lines["random"] - drawn


def setting_areas(sweep: Sweep) -> dict[Setting, SettingAreas]:
    """Return the areas of every ranking, label, metric and edit.

    The area is that of :func:`onegrain.analyses.ablation_areas`: the mean damage over the share of neurons
    edited, from 0 to the largest share that all curves of the sweep reach.

    Raises:
        ParameterError: no line edits more and more neurons.
    """
    curves = sweep.curves()
    reached = [
        curve.line(line)["neurons"].max() / curve.n_neurons
        for curve in curves.values()
        for line in LINES
        if len(curve.line(line))
    ]
    until = min(reached, default=0.0)
    if until <= 0.0:
        raise ParameterError(
            "an area needs a line top, bottom or random that edits neurons in at least one step"
        )
    return {setting: _areas(sweep, setting, curve, until) for setting, curve in curves.items()}


def _areas(sweep: Sweep, setting: Setting, curve: Curve, until: float) -> SettingAreas:
    try:
        lines = {
            line: area_under(*line_damage(curve, line), 0.0, until) for line in LINES if len(curve.line(line))
        }
        orders = [
            area_under(*line_damage(order, "random"), 0.0, until) for order in sweep.random_curves(setting)
        ]
    except OnegrainError:  # a value that is not finite has no damage
        lines, orders = {}, []
    return SettingAreas(curve, lines, np.array(orders, dtype=np.float64), until)
