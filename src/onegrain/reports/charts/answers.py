"""Small charts of the first screen: one for each of the four questions, without title or explanation."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from onegrain.analyses.questions.contrast import Contrast
from onegrain.analyses.questions.sharing import Sharing
from onegrain.metrics.registry import is_logarithmic, metric_title
from onegrain.records.curve import Curve
from onegrain.reports.charts.spread import chance_and_observed, class_colour, with_class
from onegrain.reports.charts.theme import COLOURS, GREY, INK, compact

__all__ = ["small_ablation", "small_contrast", "small_effective", "small_sharing"]

WIDTH = 190
HEIGHT = 110
LABELLED = 18
"""With more labels than this, the bars of a small chart carry no names."""
LINES = {"top": COLOURS[0], "random": GREY, "bottom": COLOURS[1]}


def small_effective(table: pd.DataFrame) -> Any:
    """Return bars of the effective number of neurons of every label, from :func:`localisation`."""
    frame = with_class(table[table["effective"].notna()])
    order = frame.sort_values("effective", ascending=False)["label"].tolist()
    axis = (
        alt.Axis(labelOverlap=False, ticks=False, domain=False, labelFontSize=9)
        if len(order) <= LABELLED
        else None
    )
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("label:N", sort=order, title=None, axis=axis),
            x=alt.X("effective:Q", title=None, axis=alt.Axis(tickCount=4)),
            color=class_colour(frame, title=None),
            tooltip=["label:N", alt.Tooltip("effective:Q", format=",.1f")],
        )
        .properties(
            width=WIDTH - 20, height=alt.Step(11 if len(order) <= LABELLED else max(1, 150 // len(order)))
        )
    )
    return compact(bars, "Effective number of neurons of each label")


def small_sharing(result: Sharing) -> Any:
    """Return bars of how many neurons serve 1, 2, 3, ... labels, beside what chance gives."""
    frame, kinds = chance_and_observed(result)
    bars = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("labels_n:O", title=None, axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("kind:N", sort=list(kinds)),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=4)),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=list(kinds), range=list(kinds.values())), title=None
            ),
            tooltip=["labels_n:O", "kind:N", alt.Tooltip("value:Q", format=",.1f")],
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    return compact(bars, "Neurons by the number of labels in whose top set they stand, beside chance")


def small_contrast(result: Contrast) -> Any:
    """Return a strip for each model: a tick per label at its effective share, a point at the mean."""
    frame = result.by_label[result.by_label["effective_share"].notna()]
    models = list(dict.fromkeys(result.by_label["model"]))
    y = alt.Y("model:N", sort=models, title=None, axis=alt.Axis(ticks=False, domain=False))
    axis = alt.Axis(format=".0%", tickCount=4)
    colour = alt.Color("model:N", scale=alt.Scale(domain=models, range=list(COLOURS)), legend=None)
    share = alt.Tooltip("effective_share:Q", format=".2%")
    base = alt.Chart(frame).encode(y=y, color=colour)
    ticks = base.mark_tick(thickness=2, size=20, opacity=0.6).encode(
        x=alt.X("effective_share:Q", title=None, axis=axis), tooltip=["model:N", "label:N", share]
    )
    means = base.mark_point(filled=True, size=90, opacity=1, stroke=INK, strokeWidth=1).encode(
        x="mean(effective_share):Q"
    )
    chart = (ticks + means).properties(width=WIDTH, height=alt.Step(34))
    return compact(chart, "Effective share of the neurons for each label, by model")


def small_ablation(curve: Curve) -> Any:
    """Return the metric while the top, the bottom or random neurons are erased."""
    points = curve.to_pandas()
    frame = points[points["line"].isin(LINES)].reset_index(drop=True)
    frame["share"] = frame["neurons"] / curve.n_neurons
    log = is_logarithmic(curve.metric, curve.higher_is_better) and bool((frame["value"] > 0).all())
    lines = [line for line in LINES if (frame["line"] == line).any()]
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    chart = (
        alt.Chart(frame)
        .mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=14))
        .encode(
            x=alt.X("share:Q", title=None, axis=alt.Axis(format=".0%", tickCount=4)),
            y=alt.Y("value:Q", scale=scale, title=None, axis=alt.Axis(tickCount=4, format="~s")),
            color=alt.Color(
                "line:N", title=None, scale=alt.Scale(domain=lines, range=[LINES[line] for line in lines])
            ),
            tooltip=["line:N", "neurons:Q", alt.Tooltip("value:Q", format=",.4~g")],
        )
        .properties(width=WIDTH, height=HEIGHT)
    )
    return compact(
        chart, f"{metric_title(curve.metric, first=True)} as neurons are erased: top, random and bottom first"
    )
