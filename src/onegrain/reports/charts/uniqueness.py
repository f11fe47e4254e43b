"""Chart of uniqueness: accuracy of probes of new neurons, round after round."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from onegrain.records.uniqueness import Uniqueness
from onegrain.reports.charts.theme import COLOURS, GREY, WIDTH, finish
from onegrain.reports.rendering.numbers import number, percent

__all__ = ["uniqueness_rounds"]

TOP, REST = "the round's neurons", "all that are left"


def uniqueness_rounds(uniqueness: Uniqueness) -> Any:
    """Return the accuracy of a new probe of each round's neurons, and of all that are left after it."""
    rounds = uniqueness.rounds
    parts = [
        pd.DataFrame(
            {
                "round": rounds["round"],
                "neurons": name,
                "accuracy": rounds[column],
                "low": rounds[low],
                "high": rounds[high],
            }
        )
        for name, column, low, high in (
            (TOP, "accuracy", "low", "high"),
            (REST, "rest", "rest_low", "rest_high"),
        )
    ]
    table = pd.concat(parts, ignore_index=True).dropna()
    base = alt.Chart(table).encode(
        x=alt.X("round:O", title="Round", axis=alt.Axis(labelAngle=0)),
        color=alt.Color(
            "neurons:N",
            scale=alt.Scale(domain=[TOP, REST], range=[COLOURS[0], COLOURS[1]]),
            title="New probe of",
        ),
        tooltip=[
            "round:O",
            "neurons:N",
            *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("accuracy", "low", "high")),
        ],
    )
    y = alt.Y("accuracy:Q", title="Accuracy", axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=False))
    bars = base.mark_rule(strokeWidth=2, opacity=0.6).encode(y=alt.Y("low:Q", title="Accuracy"), y2="high:Q")
    lines = base.mark_line(point=alt.OverlayMarkDef(filled=True, size=55), strokeWidth=1.5).encode(y=y)
    levels = pd.DataFrame(
        {
            "accuracy": [
                uniqueness.full["accuracy"] - uniqueness.delta,
                uniqueness.details["random"]["accuracy"],
                uniqueness.details["majority"],
            ],
            "level": ["all neurons less delta", "random neurons", "commonest label"],
        }
    )
    rules = (
        alt.Chart(levels)
        .mark_rule(color=GREY)
        .encode(
            y="accuracy:Q",
            strokeDash=alt.StrokeDash(
                "level:N",
                scale=alt.Scale(domain=levels["level"].tolist(), range=[[1, 0], [6, 3], [2, 3]]),
                title="Level",
            ),
            tooltip=["level:N", alt.Tooltip("accuracy:Q", format=".1%")],
        )
    )
    chart = (rules + bars + lines).properties(width=WIDTH - 140, height=220)
    subtitle = (
        f"each round takes away the first {number(uniqueness.k)} neurons of a new ranking by "
        f"{uniqueness.method}; bars: {percent(uniqueness.level, 0)} intervals"
    )
    return finish(chart, "Do other neurons serve as well?", subtitle)
