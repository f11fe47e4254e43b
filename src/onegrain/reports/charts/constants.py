"""Chart of optimal constants: each neuron's values on the reference, and the constant that costs least."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from onegrain.records.statistics import NeuronStatistics
from onegrain.reports.charts.theme import COLOURS, GREY, WIDTH, finish
from onegrain.reports.rendering.numbers import number

__all__ = ["optimal_neurons"]

SHOWN = 30
MEAN, OPTIMAL = "mean", "constant that costs least"


def optimal_neurons(statistics: NeuronStatistics) -> Any:
    """Return the mean and deviation of each neuron that has an optimal constant, and the constant.

    They are drawn in the neuron's own deviations from its mean, those that are farthest from it first.
    """
    table = statistics.to_pandas()[["site", "unit", "mean", "deviation", "optimal"]].dropna()
    table["neuron"] = table["site"] + ":" + table["unit"].astype(str)
    spread = table["deviation"].where(table["deviation"] > 0.0, 1.0)
    table["distance"] = (table["optimal"] - table["mean"]) / spread
    table["zero"] = -table["mean"] / spread
    total = len(table)
    table = table.iloc[table["distance"].abs().argsort()[::-1]].head(SHOWN)
    names = table["neuron"].tolist()
    kinds = pd.concat(
        [
            table[["neuron", "distance", "mean", "optimal"]].assign(constant=OPTIMAL, place=table["distance"]),
            table[["neuron", "distance", "mean", "optimal"]].assign(constant=MEAN, place=0.0),
            table[["neuron", "distance", "mean", "optimal"]].assign(constant="zero", place=table["zero"]),
        ],
        ignore_index=True,
    )
    domain = [OPTIMAL, MEAN, "zero"]
    chart = (
        alt.Chart(kinds)
        .mark_point(filled=True, size=55, opacity=1)
        .encode(
            y=alt.Y("neuron:N", sort=names, title=None, axis=alt.Axis(labelOverlap=False)),
            x=alt.X("place:Q", title="Deviations from the neuron's mean"),
            color=alt.Color(
                "constant:N",
                scale=alt.Scale(domain=domain, range=[COLOURS[1], COLOURS[0], GREY]),
                title="Value",
            ),
            shape=alt.Shape(
                "constant:N",
                scale=alt.Scale(domain=domain, range=["diamond", "circle", "cross"]),
                title="Value",
            ),
            tooltip=[
                "neuron:N",
                alt.Tooltip("mean:Q", format=".4g"),
                alt.Tooltip("optimal:Q", format=".4g"),
                alt.Tooltip("distance:Q", format="+.2f", title="deviations from the mean"),
            ],
        )
        .properties(width=WIDTH - 120, height=alt.Step(18))
    )
    shown = f"; the {number(len(names))} farthest from their mean" if total > len(names) else ""
    subtitle = f"{number(total)} neurons that are set together{shown}"
    return finish(chart, "Constants that cost the model least", subtitle)
