"""Chart of control: the share of translations that get the wanted value, against the strength of the edit."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from onegrain.records.control import Control
from onegrain.reports.charts.theme import COLOURS, GREY, WIDTH, finish

__all__ = ["control_success"]

HEIGHT = 220
TOP, RANDOM = "top neurons", "random neurons"


def control_success(control: Control) -> Any:
    """Return the success of the top neurons with its interval, and that of each random set, against beta."""
    points = control.points
    frame = pd.DataFrame(
        {
            "neurons": points["set"].map({"top": TOP, "random": RANDOM}),
            **{name: points[name] for name in ("number", "beta", "success", "low", "high", "bleu")},
        }
    )
    colour = alt.Color("neurons:N", title=None, scale=alt.Scale(domain=[TOP, RANDOM], range=[COLOURS[0], GREY]))
    x = alt.X("beta:Q", title="Beta (distance beyond the wanted mean, in distances between the means)")
    y = alt.Y("success:Q", title="Translations with the wanted value", axis=alt.Axis(format=".0%"))
    tooltip = [
        "neurons:N",
        "beta:Q",
        *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("success", "low", "high")),
        alt.Tooltip("bleu:Q", title="BLEU elsewhere", format=".1f"),
    ]
    top = alt.Chart(frame[frame["neurons"] == TOP]).encode(x=x, color=colour)
    others = alt.Chart(frame[frame["neurons"] == RANDOM]).encode(x=x, color=colour)
    layers = [
        others.mark_line(strokeWidth=1, opacity=0.5).encode(y=y, detail="number:N"),
        others.mark_point(size=18, opacity=0.7).encode(y=y, tooltip=tooltip),
        top.mark_area(opacity=0.15).encode(y=alt.Y("low:Q"), y2="high:Q"),
        top.mark_line(strokeWidth=2).encode(y=y),
        top.mark_point(filled=True, size=40, opacity=1).encode(y=y, tooltip=tooltip),
    ]
    chart = alt.layer(*layers).properties(width=WIDTH, height=HEIGHT)
    heading = f"{control.layer}: {control.value} to {control.wanted}"
    subtitle = f"{control.k} set at a time; band: 95 % over sentences; grey: random neurons of the same sites"
    return finish(chart, heading, subtitle)
