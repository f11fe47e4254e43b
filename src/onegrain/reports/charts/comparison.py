"""Chart of rankings side by side: masking, retraining and ablation, one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from onegrain.errors import ParameterError
from onegrain.metrics.registry import is_logarithmic, metric_title
from onegrain.records.curve import Curve, share_random
from onegrain.records.evaluation import Evaluation
from onegrain.reports.charts.theme import COLOURS, GREY, INK, finish

__all__ = ["comparison"]

PANEL = 300
HEIGHT = 190
SPACING = 34
MIN_EXTENT = 34
RANDOM = "random orders"
DASHES = ([1, 0], [6, 3], [2, 2])
SIDES = ("top", "bottom")
ROWS = {
    "masking": ("Masking: the rest set to zero", "{} neurons kept (log scale)"),
    "retraining": ("Retraining: a new probe of them alone", "{} neurons kept (log scale)"),
    "ablation": ("Ablation: erased in the running model", "{} neurons erased (% of all)"),
}


def comparison(evaluation: Evaluation | None = None, curves: Mapping[str, Curve] | None = None) -> Any:
    """Return one row of panels each for masking, retraining and ablation, with a line for every ranking.

    The left panel keeps or erases top neurons first, the right one bottom neurons. Bands are 95 % bootstrap
    intervals over sentences, for the random orders of an ablation the range over them. A dashed rule is the
    full probe or the intact model, a dotted one the commonest label.

    Args:
        evaluation: for masking and retraining; None to leave them out.
        curves: name of a ranking -> its ablation curve, all of one model and metric; None to leave them out.

    Raises:
        ParameterError: neither is given, or there is no line of top or bottom neurons.
    """
    rows = []
    names = list(evaluation.names) if evaluation is not None else []
    names += [name for name in curves or {} if name not in names]
    if evaluation is not None:
        rows += [(kind, _kept_points(evaluation, kind)) for kind in evaluation.kinds]
    if curves:
        rows.append(("ablation", _erased_points(curves)))
    rows = [(kind, frame) for kind, frame in rows if len(frame)]
    if not rows:
        raise ParameterError("there is nothing to draw; evaluate rankings, or ablate a model by them")
    look = _Look(names, any((frame["ranking"] == RANDOM).any() for _, frame in rows))
    stacked = [
        alt.hconcat(*_panels(kind, frame, look, evaluation, curves), spacing=SPACING).resolve_scale(y="shared")
        for kind, frame in rows
    ]
    chart = alt.vconcat(*stacked, spacing=22).resolve_scale(color="shared", strokeDash="shared")
    subtitle = "bands: 95 % over sentences (ablation at random: range over orders); dashed rule: all neurons"
    if evaluation is not None:
        subtitle += "; dotted: commonest label"
    return finish(chart, "Which ranking to believe", subtitle)


class _Look:
    """The colour and dash of every ranking: seven colours, then the same again with dashes."""

    def __init__(self, names: Sequence[str], random: bool) -> None:
        domain = [*names, RANDOM] if random else list(names)
        colours = [COLOURS[number % len(COLOURS)] for number in range(len(names))] + [GREY]
        dashes = [DASHES[number // len(COLOURS) % len(DASHES)] for number in range(len(names))] + [[2, 3]]
        legend = alt.Legend(symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1, symbolSize=260)
        self.colour = alt.Color(
            "ranking:N",
            title="Ranking",
            scale=alt.Scale(domain=domain, range=colours[: len(domain)]),
            legend=legend,
        )
        self.dash = alt.StrokeDash(
            "ranking:N",
            title="Ranking",
            scale=alt.Scale(domain=domain, range=dashes[: len(domain)]),
            legend=legend,
        )


def _panels(
    kind: str,
    frame: pd.DataFrame,
    look: _Look,
    evaluation: Evaluation | None,
    curves: Mapping[str, Curve] | None,
) -> list[Any]:
    """Return the panels of one row, top first; both show the random orders."""
    heading, across = ROWS[kind]
    first = next(iter(curves.values())) if curves else None
    metric = first.metric if kind == "ablation" and first is not None else "accuracy"
    log = is_logarithmic(metric, True) and bool((frame[["value", "low"]] > 0).all(axis=None))
    name = metric_title(metric, first=True)
    y_title = f"{name} (log scale)" if log else name
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    sides = [side for side in SIDES if (frame["line"] == side).any()] or ["random"]
    panels = []
    for column, side in enumerate(sides):
        part = frame[frame["line"].isin((side, "random"))]
        title = across.format(side.capitalize()) if side in SIDES else across.format("Random")
        x = alt.X("place:Q", title=title, **_across(kind))
        y = alt.Axis(
            title=y_title if column == 0 else None,
            minExtent=MIN_EXTENT,
            format=".0%" if metric == "accuracy" else "~g",
        )
        base = alt.Chart(part).encode(x=x, color=look.colour)
        bands = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", scale=scale, axis=y), y2="high:Q")
        value = alt.Y("value:Q", scale=scale, axis=y)
        lines = base.mark_line(strokeWidth=2).encode(y=value, strokeDash=look.dash)
        tooltip = ["ranking:N", "neurons:Q"]
        tooltip += [alt.Tooltip(f"{column}:Q", format=".4~g") for column in ("value", "low", "high")]
        points = base.mark_point(filled=True, size=22, opacity=1).encode(y=value, tooltip=tooltip)
        layers = [bands, *_rules(kind, evaluation, first, value), lines, points]
        panel = alt.layer(*layers).properties(width=PANEL, height=HEIGHT)
        panels.append(panel.properties(title=alt.TitleParams(heading, fontSize=12)) if column == 0 else panel)
    return panels


def _across(kind: str) -> dict[str, Any]:
    if kind == "ablation":
        return {"axis": alt.Axis(format=".0%", tickCount=6)}
    return {"scale": alt.Scale(type="log", nice=False), "axis": alt.Axis(tickCount=6, format="~s")}


def _rules(kind: str, evaluation: Evaluation | None, first: Curve | None, y: Any) -> list[Any]:
    lines: list[tuple[str, float, list[int]]] = []
    if kind == "ablation" and first is not None:
        lines = [("intact model", first.intact, [6, 4])]
    elif evaluation is not None:
        full, majority = evaluation.details["full"]["accuracy"], evaluation.details["majority"]
        lines = [("all neurons", full, [6, 4]), ("commonest label", majority, [2, 3])]
    rules = []
    for name, value, dash in lines:
        data = pd.DataFrame({"value": [float(value)], "name": [name]})
        rule = alt.Chart(data).mark_rule(strokeDash=dash, color=INK, strokeWidth=1)
        rules.append(rule.encode(y=y, tooltip=["name:N", alt.Tooltip("value:Q", format=".4~g")]))
    return rules


def _kept_points(evaluation: Evaluation, kind: str) -> pd.DataFrame:
    """Return one row per point: ``ranking``, ``line``, ``neurons``, ``place``, ``value``, ``low``, ``high``."""
    points = evaluation.points[evaluation.points["kind"] == kind]
    parts = []
    for keep, name in points[["keep", "ranking"]].drop_duplicates().itertuples(index=False):
        known = None if pd.isna(name) else str(name)
        line = evaluation.line(kind, keep, known).rename(columns={"accuracy": "value"})
        parts.append(line.assign(ranking=known or RANDOM, line=keep, place=line["neurons"]))
    return pd.concat(parts, ignore_index=True)


def _erased_points(curves: Mapping[str, Curve]) -> pd.DataFrame:
    """Return the same columns for ablation curves; random orders only if all curves share them."""
    parts: list[pd.DataFrame] = []
    random = not share_random(curves.values())
    for name, curve in curves.items():
        points = curve.to_pandas()
        points["place"] = points["neurons"] / curve.n_neurons
        points["ranking"] = name
        drawn = points["line"] == "random"
        points.loc[drawn, "ranking"] = RANDOM
        parts.append(points[~drawn] if random else points)
        random = random or bool(drawn.any())
    return pd.concat(parts, ignore_index=True)
