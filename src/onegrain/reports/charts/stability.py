"""Chart of stability: the places that the top neurons take in draws of the sentences."""

from __future__ import annotations

from typing import Any

import altair as alt

from onegrain.errors import ParameterError
from onegrain.records.stability import Stability
from onegrain.reports.charts.theme import COLOURS, INK, WIDTH, finish
from onegrain.reports.rendering.numbers import percent

__all__ = ["rank_intervals"]

HEIGHT_STEP = 18


def rank_intervals(stability: Stability, kind: str = "bootstrap", top: int = 20) -> Any:
    """Return the median and spread of the first neurons' ranks over the draws, with a tick at the rank itself.

    Args:
        stability: the record.
        kind: ``bootstrap`` or ``halves``.
        top: number of neurons.

    Raises:
        ParameterError: no such kind, or fewer than one neuron.
    """
    if top < 1:
        raise ParameterError(f"top must be 1 or more, got {top}")
    frame = stability.of(kind).head(top)
    frame = frame.assign(name=[stability.space.name(int(index)) for index in frame["neuron"]])
    names = frame["name"].tolist()
    y = alt.Y("name:N", sort=names, title=None, axis=alt.Axis(labelOverlap=False))
    tooltip = [
        alt.Tooltip("name:N", title="neuron"),
        "rank:Q",
        *(alt.Tooltip(f"{column}:Q", format=",.1f") for column in ("median", "low", "high")),
        alt.Tooltip("ranked:Q", title="draws that rank it", format=".0%"),
    ]
    base = alt.Chart(frame[["name", "rank", "median", "low", "high", "ranked"]]).encode(y=y)
    scale = alt.Scale(type="log", domainMin=1, nice=False)
    x = alt.X("low:Q", title="Rank in the draws (log scale)", scale=scale)
    bars = base.mark_rule(color=COLOURS[5], strokeWidth=6).encode(x=x, x2="high:Q", tooltip=tooltip)
    medians = base.mark_point(color=COLOURS[0], filled=True, size=45, opacity=1).encode(
        x=alt.X("median:Q", scale=scale), tooltip=tooltip
    )
    places = base.mark_tick(color=INK, thickness=2, size=14).encode(x=alt.X("rank:Q", scale=scale))
    chart = (bars + places + medians).properties(width=WIDTH - 80, height=alt.Step(HEIGHT_STEP))
    subtitle = (
        f"bar: middle {percent(stability.level, 0)} of the {kind} draws (no confidence interval); point: "
        "median; tick: the ranking itself"
    )
    return finish(chart, "Places of the first neurons when the sentences change", subtitle)
