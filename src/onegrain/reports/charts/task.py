"""Charts of models at work: ablation curves, models side by side, cross-model correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from onegrain.analyses.questions.contrast import Contrast
from onegrain.errors import ParameterError
from onegrain.metrics.registry import is_logarithmic, metric_title
from onegrain.records.curve import Curve, share_random
from onegrain.reports.charts.theme import COLOURS, GREY, INK, LINE_DASHES, WIDTH, finish

__all__ = ["ablation", "contrast_dots", "contrast_sites", "correlation_histogram"]

BINS = 40
RANDOM = "random"


def ablation(curves: Mapping[str, Curve], model: str = "") -> Any:
    """Return the metric while neurons are erased: lines for top and bottom of every ordering, a random band.

    Args:
        curves: name of an ordering -> its curve, all of one model and metric. The random band is that of the
            first curve that has one.
        model: the model's name, for the title.

    The y axis is logarithmic for perplexities. Bands: 95 % bootstrap intervals (top, bottom); least to largest
    of the random orders.

    Raises:
        ParameterError: no curve, or none with a point.
    """
    frame = _ablation_points(curves)
    first = next(iter(curves.values()))
    log = is_logarithmic(first.metric, first.higher_is_better)
    log = log and bool((frame[["value", "low"]] > 0).all(axis=None))
    named = [name for name in dict.fromkeys(frame["ordering"]) if name != RANDOM]
    names = [*named, RANDOM] if (frame["ordering"] == RANDOM).any() else named
    palette = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(named)} | {RANDOM: GREY}
    lines = [line for line in LINE_DASHES if (frame["line"] == line).any()]
    colour = alt.Color(
        "ordering:N",
        title="Ordering",
        scale=alt.Scale(domain=names, range=[palette[name] for name in names]),
        legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    dash = alt.StrokeDash(
        "line:N",
        title="Erased first",
        scale=alt.Scale(domain=lines, range=[LINE_DASHES[line] for line in lines]),
        legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=2, symbolStrokeColor=INK),
    )
    heading = metric_title(first.metric, first=True)
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    axis = f"{heading} (log scale)" if log else heading
    x = alt.X("share:Q", title="Neurons erased (% of all)", axis=alt.Axis(format=".0%"))
    base = alt.Chart(frame).encode(x=x, color=colour)
    tooltip = [
        "ordering:N",
        "line:N",
        "neurons:Q",
        *(alt.Tooltip(f"{n}:Q", format=",.4~g") for n in ("value", "low", "high")),
    ]
    bands = base.mark_area(opacity=0.18).encode(
        y=alt.Y("low:Q", scale=scale, title=axis), y2="high:Q", detail="line:N"
    )
    strokes = base.mark_line(strokeWidth=2).encode(y=alt.Y("value:Q", scale=scale, title=axis), strokeDash=dash)
    points = base.mark_point(filled=True, size=28).encode(y=alt.Y("value:Q", scale=scale), tooltip=tooltip)
    intact = alt.Chart(pd.DataFrame({"value": [first.intact]})).mark_rule(strokeDash=[4, 4], color=INK)
    rule = intact.encode(y=alt.Y("value:Q", scale=scale))
    chart = alt.layer(bands, rule, strokes, points).properties(width=WIDTH, height=340)
    better = "higher is better" if first.higher_is_better else "lower is better"
    what = f"{heading} of {model} as neurons are erased" if model else f"{heading} as neurons are erased"
    return finish(
        chart,
        what,
        f"{better}; dashed rule: the intact model; bands: 95 % intervals, range over random orders",
    )


def _ablation_points(curves: Mapping[str, Curve]) -> pd.DataFrame:
    parts = []
    random_drawn, shared = False, share_random(curves.values())
    for name, curve in curves.items():
        points = curve.to_pandas().assign(ordering=name)
        points["share"] = points["neurons"] / curve.n_neurons
        is_random = points["line"] == RANDOM
        if shared:
            points.loc[is_random, "ordering"] = RANDOM
        parts.append(points[~is_random] if shared and random_drawn else points)
        random_drawn = random_drawn or bool(is_random.any())
    if not parts or not sum(len(part) for part in parts):
        raise ParameterError("there is no point to draw; ablate a model first")
    return pd.concat(parts, ignore_index=True)


def contrast_dots(result: Contrast) -> Any:
    """Return the effective share of the neurons for each label, with one colour per model."""
    frame = result.by_label[result.by_label["effective_share"].notna()]
    if not len(frame):
        raise ParameterError("no label has any weight in any model, so there is nothing to draw")
    order = frame.groupby("label")["effective_share"].mean().sort_values(ascending=False).index.tolist()
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, grid=True))
    base = alt.Chart(frame).encode(y=y)
    x = alt.X(
        "effective_share:Q",
        title="Effective neurons (% of the model's)",
        axis=alt.Axis(format=".1%", tickCount=6),
    )
    span = base.mark_rule(color="#BBBBBB").encode(
        x=alt.X("min(effective_share):Q", title=""), x2="max(effective_share):Q"
    )
    models = list(dict.fromkeys(result.by_label["model"]))
    dots = base.mark_point(filled=True, size=70, opacity=0.9).encode(
        x=x,
        color=alt.Color("model:N", title="Model", scale=alt.Scale(domain=models, range=list(COLOURS))),
        shape=alt.Shape("model:N", title="Model", scale=alt.Scale(domain=models)),
        tooltip=["model:N", "label:N", alt.Tooltip("effective_share:Q", format=".2%"), "effective:Q"],
    )
    chart = (span + dots).properties(width=WIDTH - 100, height=alt.Step(20))
    return finish(
        chart, "The same labels in each model", "to the right: more distributed over the model's neurons"
    )


def contrast_sites(result: Contrast) -> Any:
    """Return the share of each model's top neurons in its sites, a panel per model, a tick for chance."""
    panels = []
    for number, model in enumerate(dict.fromkeys(result.by_site["model"])):
        frame = result.by_site[result.by_site["model"] == model]
        y = alt.Y("site:N", sort=frame["site"].tolist(), title=None, axis=alt.Axis(labelOverlap=False))
        base = alt.Chart(frame).encode(y=y)
        x = alt.X("share:Q", title="Share of the top neurons", axis=alt.Axis(format=".0%"))
        bars = base.mark_bar(color=COLOURS[number % len(COLOURS)]).encode(
            x=x, tooltip=["site:N", "count:Q", alt.Tooltip("share:Q", format=".1%")]
        )
        ticks = base.mark_tick(color=INK, thickness=2, size=14).encode(x="width_share:Q")
        panels.append((bars + ticks).properties(title=str(model), width=230, height=alt.Step(20)))
    chart = alt.concat(*panels, columns=2, spacing=24).resolve_scale(y="independent")
    return finish(
        chart, "Layers of the top neurons in each model", "tick: the site's share of the model's neurons"
    )


def correlation_histogram(scores: Mapping[str, np.ndarray], what: str = "MaxCorr") -> Any:
    """Return how the neurons' best correlations with another model are distributed, a line per model.

    Args:
        scores: model -> float (neurons,), between 0 and 1; NaN (constant neurons) is left out.
        what: the name of the score, for the axis.

    Raises:
        ParameterError: no score at all.
    """
    edges = np.linspace(0, 1, BINS + 1)
    parts = []
    for name, values in scores.items():
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if finite.size:
            counts, _ = np.histogram(np.clip(finite, 0, 1), edges)
            part = {"model": name, "centre": (edges[:-1] + edges[1:]) / 2, "share": counts / finite.size}
            parts.append(pd.DataFrame(part))
    if not parts:
        raise ParameterError("no neuron has a correlation, so there is nothing to draw")
    chart = (
        alt.Chart(pd.concat(parts, ignore_index=True))
        .mark_line(interpolate="step", strokeWidth=2)
        .encode(
            x=alt.X("centre:Q", title=f"{what} of a neuron", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("share:Q", title="Share of the model's neurons", axis=alt.Axis(format=".0%")),
            color=alt.Color("model:N", title="Model", sort=list(scores)),
            tooltip=["model:N", alt.Tooltip("centre:Q", format=".2f"), alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=WIDTH, height=260)
    )
    return finish(chart, "Neurons that other models find again", f"distribution of {what} over the neurons")
