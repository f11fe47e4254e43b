"""Chart of effects: the total effect of an edit, its direct part, and what the layers above add or repair."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from onegrain.records.effects import PARTS, Effects
from onegrain.reports.charts.theme import COLOURS, GREY, WIDTH, finish
from onegrain.reports.rendering.numbers import number, percent

__all__ = ["effect_intervals"]

SHOWN = {"top": "first neurons", "random": "random neurons"}
TITLE = "Rise of the loss, nats per subword"


def effect_intervals(effects: Effects) -> Any:
    """Return the total, direct and mediated effect with their intervals, of the first and of random neurons."""
    rows = effects.table[effects.table["line"].isin(list(SHOWN))]
    table = pd.concat(
        [
            pd.DataFrame(
                {
                    "site": rows["site"],
                    "line": rows["line"].map(SHOWN),
                    "part": part,
                    "value": rows[part],
                    "low": rows[f"{part}_low"],
                    "high": rows[f"{part}_high"],
                }
            )
            for part in PARTS
        ],
        ignore_index=True,
    )
    least, most = _limits(table)
    drawn = table.assign(start=table["low"].clip(lower=least), end=table["high"].clip(upper=most))
    colour = alt.Color(
        "part:N", scale=alt.Scale(domain=list(PARTS), range=list(COLOURS[:3])), title="Effect", sort=list(PARTS)
    )
    base = alt.Chart(drawn).encode(
        y=alt.Y("site:N", sort=list(effects.sites), title=None, axis=alt.Axis(labelOverlap=False)),
        yOffset=alt.YOffset("part:N", sort=list(PARTS)),
        color=colour,
        tooltip=[
            "site:N",
            "line:N",
            alt.Tooltip("part:N", title="effect"),
            *(alt.Tooltip(f"{name}:Q", format="+.4f") for name in ("value", "low", "high")),
        ],
    )
    scale = alt.Scale(domain=[least, most], nice=False)
    x = alt.X("value:Q", title=TITLE, scale=scale)
    widths = alt.Scale(domain=list(SHOWN.values()), range=[4, 1.5])
    bars = base.mark_rule(opacity=0.45).encode(
        x=alt.X("start:Q", title=TITLE, scale=scale),
        x2="end:Q",
        strokeWidth=alt.StrokeWidth("line:N", scale=widths, legend=None),
    )
    points = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=x,
        shape=alt.Shape(
            "line:N",
            scale=alt.Scale(domain=list(SHOWN.values()), range=["circle", "triangle-up"]),
            title="Neurons",
        ),
    )
    zero = (
        alt.Chart(pd.DataFrame({"value": [0.0]})).mark_rule(color=GREY, strokeDash=[3, 3]).encode(x="value:Q")
    )
    chart = (zero + bars + points).properties(width=WIDTH - 120, height=alt.Step(18))
    subtitle = (
        f"{number(effects.k)} neurons edited ({effects.edit}); mediated is total less direct; bars: "
        f"{percent(effects.level, 0)} intervals"
    )
    if (table["low"] < least).any() or (table["high"] > most).any():
        subtitle += "; those of random neurons are cut off at the edge"
    return finish(chart, "What the layers above add to an edit, or repair", subtitle)


def _limits(table: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of the axis: all values and the intervals of the first neurons, with a margin.

    Intervals of random neurons can be many times as wide where there are few random sets.
    """
    first = table[table["line"] == SHOWN["top"]]
    shown = pd.concat([table["value"], first["low"], first["high"]])
    least, most = min(0.0, float(shown.min())), max(0.0, float(shown.max()))
    margin = 0.3 * (most - least) or 1.0
    return least - margin, most + margin
