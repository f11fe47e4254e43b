"""Charts of sweeps: a small chart for each kind of edit, what the kept neurons suffice for, and merits."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from onegrain.analyses.questions.damage import damage_unit
from onegrain.analyses.sweeps.robustness import Robustness
from onegrain.errors import ParameterError
from onegrain.metrics.registry import is_logarithmic, metric_title
from onegrain.records.curve import KEEP, LINES
from onegrain.records.sweep import Sweep, order_name
from onegrain.reports.charts.theme import COLOURS, INK, LINE_DASHES, WIDTH, finish

__all__ = ["edit_panels", "keep_panels", "merit_dots"]

PANEL_WIDTH, PANEL_HEIGHT = 200, 170
COLUMNS = 2


def edit_panels(sweep: Sweep, metric: str | None = None) -> Any:
    """Return a small chart for each kind of edit: the metric while the neurons of each ranking are edited.

    Args:
        sweep: the record.
        metric: name of the metric; the first by default.

    Raises:
        ParameterError: no point of the lines top, bottom and random.
    """
    name = metric or next(iter(sweep.metrics))
    frame = _points(sweep, name)
    frame = frame[frame["line"].isin(LINES)]
    if not len(frame):
        raise ParameterError("the sweep has no line top, bottom or random to draw")
    x = alt.X("share:Q", title="Neurons edited (% of all)", axis=alt.Axis(format=".0%", tickCount=3))
    title = f"{metric_title(_metric(sweep, name), first=True)} under each edit"
    return finish(
        _panels(sweep, name, frame, x), title, _explained(sweep, name, "dashed rule: the intact model")
    )


def keep_panels(sweep: Sweep, metric: str | None = None) -> Any:
    """Return a small chart for each kind of edit: the metric when only the first neurons are left as they are.

    Args:
        sweep: the record, with a line ``keep``.
        metric: name of the metric; the first by default.

    Raises:
        ParameterError: no line ``keep``.
    """
    name = metric or next(iter(sweep.metrics))
    frame = _points(sweep, name)
    frame = frame[frame["line"] == KEEP]
    if not len(frame):
        raise ParameterError("the sweep has no line keep; measure it with lines=['keep', ...]")
    frame = frame.assign(share=1.0 - frame["share"])
    x = alt.X("share:Q", title="Neurons kept (% of all)", axis=alt.Axis(format=".0%", tickCount=3))
    title = f"{metric_title(_metric(sweep, name), first=True)} with all but the first neurons edited"
    return finish(
        _panels(sweep, name, frame, x), title, _explained(sweep, name, "dashed rule: the intact model")
    )


def merit_dots(robustness: Robustness, sweep: Sweep, metric: str | None = None) -> Any:
    """Return the merit of each ranking under each kind of edit, with its interval.

    Args:
        robustness: of the sweep.
        sweep: the record.
        metric: name of the metric; the first by default.
    """
    name = metric or str(robustness.merits["metric"].iloc[0])
    frame = robustness.merits[robustness.merits["metric"] == name]
    labels = [None if pd.isna(label) else str(label) for label in frame["label"]]
    frame = frame.assign(
        item=[order_name(str(r), label) for r, label in zip(frame["ranking"], labels, strict=True)]
    )
    order = frame.groupby("item")["merit"].mean().sort_values(ascending=False).index.tolist()
    edits = list(dict.fromkeys(frame["edit"]))
    facts = sweep.metrics[name]
    unit = damage_unit(str(facts["metric"]), bool(facts["higher_is_better"]))
    y = alt.Y("item:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, grid=True))
    offset = alt.YOffset("edit:N", sort=edits)
    colour = alt.Color(
        "edit:N",
        title="Edit",
        scale=alt.Scale(domain=edits, range=[COLOURS[n % len(COLOURS)] for n in range(len(edits))]),
        legend=alt.Legend(orient="bottom", columns=3),
    )
    tooltip = ["item:N", "edit:N", *(alt.Tooltip(f"{n}:Q", format=",.4~g") for n in ("merit", "low", "high"))]
    base = alt.Chart(frame[["item", "edit", "merit", "low", "high"]]).encode(y=y, yOffset=offset, color=colour)
    x = alt.X("merit:Q", title=f"Merit ({unit})")
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=f"Merit ({unit})"), x2="high:Q")
    dots = base.mark_point(filled=True, size=50, opacity=1).encode(x=x, tooltip=tooltip)
    rule = alt.Chart(pd.DataFrame({"zero": [0.0]})).mark_rule(color=INK, strokeDash=[4, 4]).encode(x="zero:Q")
    chart = (rule + bars + dots).properties(width=WIDTH - 80, height=alt.Step(14))
    less = ", less that of as many random neurons" if robustness.against else ""
    return finish(
        chart,
        "Merit of the rankings under each edit",
        f"mean damage by the first neurons{less}; 95 % intervals",
    )


def _short_title(text: str) -> alt.TitleParams:
    return alt.TitleParams(text=text, fontSize=12, limit=PANEL_WIDTH + 30, offset=4)


def _metric(sweep: Sweep, name: str) -> str:
    return str(sweep.metrics[name]["metric"])


def _explained(sweep: Sweep, name: str, rest: str) -> str:
    better = "higher is better" if sweep.metrics[name]["higher_is_better"] else "lower is better"
    return f"{better}; {rest}"


def _points(sweep: Sweep, metric: str) -> pd.DataFrame:
    """Return the points of one metric, random orders as their mean, with shares and the names of items."""
    parts = []
    for (ranking, label, name, edit), curve in sweep.curves().items():
        if name == metric:
            points = curve.to_pandas().assign(item=order_name(ranking, label), edit=edit, intact=curve.intact)
            parts.append(points.assign(share=points["neurons"] / curve.n_neurons))
    return pd.concat(parts, ignore_index=True)


def _panels(sweep: Sweep, metric: str, frame: pd.DataFrame, x: Any) -> Any:
    """Return one panel per edit, with one scale of values: colours for rankings, dashes for lines."""
    items = list(dict.fromkeys(frame["item"]))
    lines = [line for line in LINE_DASHES if (frame["line"] == line).any()]
    higher = bool(sweep.metrics[metric]["higher_is_better"])
    log = is_logarithmic(_metric(sweep, metric), higher) and bool((frame["value"] > 0).all())
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    heading = metric_title(_metric(sweep, metric), first=True) + (" (log scale)" if log else "")
    colour = alt.Color(
        "item:N",
        title="Ranking",
        scale=alt.Scale(domain=items, range=[COLOURS[n % len(COLOURS)] for n in range(len(items))]),
        legend=alt.Legend(orient="bottom", symbolType="stroke", symbolStrokeWidth=3, columns=3),
    )
    dash = alt.StrokeDash(
        "line:N",
        title="Edited first",
        scale=alt.Scale(domain=lines, range=[LINE_DASHES[line] for line in lines]),
        legend=None
        if len(lines) == 1
        else alt.Legend(orient="bottom", symbolType="stroke", symbolStrokeWidth=2, symbolStrokeColor=INK),
    )
    tooltip = [
        "item:N",
        "line:N",
        "neurons:Q",
        *(alt.Tooltip(f"{n}:Q", format=",.4~g") for n in ("value", "low", "high")),
    ]
    panels = []
    for edit in dict.fromkeys(frame["edit"]):
        part = frame[frame["edit"] == edit]
        y = alt.Y("value:Q", scale=scale, title=heading, axis=alt.Axis(tickCount=5))
        base = alt.Chart(part).encode(x=x, color=colour)
        strokes = base.mark_line(strokeWidth=1.8).encode(y=y, strokeDash=dash)
        points = base.mark_point(filled=True, size=16).encode(y=y, tooltip=tooltip)
        rule = (
            alt.Chart(part[["intact"]].head(1))
            .mark_rule(strokeDash=[4, 4], color=INK)
            .encode(y=alt.Y("intact:Q", scale=scale, title=heading))
        )
        panel = alt.layer(rule, strokes, points)
        panels.append(panel.properties(title=_short_title(str(edit)), width=PANEL_WIDTH, height=PANEL_HEIGHT))
    return alt.concat(*panels, columns=COLUMNS, spacing=20).resolve_scale(y="shared")
