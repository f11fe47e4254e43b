"""Charts of the probe: the lambda grid, and accuracy when only some neurons are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from onegrain.errors import ParameterError
from onegrain.reports.charts.theme import COLOURS, GREY, INK, SEQUENTIAL, WIDTH, finish

__all__ = ["kept_curve", "lambda_grid"]

PANELS = (("accuracy", "Accuracy", ".3f"), ("score", "Score S", ".3f"), ("zero_share", "Zero weights", ".0%"))
KEEP_COLOURS = {"top": COLOURS[0], "bottom": COLOURS[1], "random": GREY}


def lambda_grid(grid: Sequence[Mapping[str, Any]], chosen: Mapping[str, float] | None = None) -> Any:
    """Return heat maps of accuracy, score S and share of zero weights over the grid of lambda1 and lambda2.

    Args:
        grid: one mapping per grid point with ``lambda1``, ``lambda2`` and any of ``accuracy``, ``score``,
            ``zero_share``.
        chosen: the ``lambda1`` and ``lambda2`` that were chosen, outlined; or None.

    Raises:
        ParameterError: the grid is empty or has none of the three measures.
    """
    frame = pd.DataFrame(list(grid))
    panels = [panel for panel in PANELS if panel[0] in frame and frame[panel[0]].notna().any()]
    if not panels:
        raise ParameterError("the grid has no accuracy, score or zero_share to draw")
    orders = {
        name: [_power(value) for value in sorted(frame[name].unique())] for name in ("lambda1", "lambda2")
    }
    picked = frame["lambda1"].map(lambda _: False)
    if chosen is not None:
        picked = (frame["lambda1"] == chosen["lambda1"]) & (frame["lambda2"] == chosen["lambda2"])
    for name in orders:
        frame[name] = frame[name].map(_power)
    frame["chosen"] = picked
    charts = [_panel(frame, panel, orders) for panel in panels]
    row = alt.hconcat(*charts, spacing=28).resolve_scale(color="independent")
    subtitle = "one probe a cell; the chosen pair is outlined" if chosen is not None else "one probe a cell"
    return finish(row, "Choosing the regularisation", subtitle)


def _power(value: float) -> str:
    """Return a lambda in few characters: ``0``, ``1e-5``, ``0.01``, ``2``."""
    return (
        f"{value:g}" if value == 0 or value >= 0.01 else f"{value:.1e}".replace(".0e", "e").replace("e-0", "e-")
    )


def _panel(frame: pd.DataFrame, panel: tuple[str, str, str], orders: Mapping[str, list[str]]) -> Any:
    name, heading, form = panel
    part = frame[["lambda1", "lambda2", "chosen", name]].dropna().rename(columns={name: "value"})
    low, high = float(part["value"].min()), float(part["value"].max())
    light = f"datum.value <= {low + 0.6 * (high - low)!r}"
    x = alt.X("lambda1:O", sort=orders["lambda1"], title="λ₁ (L1)", axis=alt.Axis(labelAngle=0))
    y = alt.Y("lambda2:O", sort=orders["lambda2"][::-1], title="λ₂ (L2)")
    base = alt.Chart(part).encode(x=x, y=y)
    scale = alt.Scale(scheme=SEQUENTIAL, domain=[low, high] if high > low else [low - 1, high + 1])
    tooltip = ["lambda1:O", "lambda2:O", alt.Tooltip("value:Q", format=form, title=heading)]
    cells = base.mark_rect(stroke="white").encode(
        color=alt.Color("value:Q", scale=scale, legend=None), tooltip=tooltip
    )
    text = base.mark_text(fontSize=10).encode(
        text=alt.Text("value:Q", format=form), color=alt.condition(light, alt.value(INK), alt.value("#FFFFFF"))
    )
    frame_of = base.transform_filter("datum.chosen").mark_rect(filled=False, stroke=COLOURS[1], strokeWidth=3)
    size = alt.Step(42 if len(orders["lambda1"]) <= 6 else 34)
    return (cells + text + frame_of).properties(title=heading, width=size, height=alt.Step(32))


def kept_curve(evaluation: Mapping[str, Any], kind: str) -> Any:
    """Return lines of accuracy against the share of neurons kept: top, bottom and random ones.

    Args:
        evaluation: an LCA ranking's ``details["evaluation"]``: ``masking`` or ``retraining`` lists of
            ``keep``, ``share``, ``accuracy`` and perhaps ``low`` and ``high``; ``full`` and ``majority``
            become rules if known.
        kind: ``masking`` (the same probe, the other neurons set to 0) or ``retraining`` (a new probe).

    Raises:
        ParameterError: another kind, or no such points.
    """
    if kind not in ("masking", "retraining") or not evaluation.get(kind):
        raise ParameterError(
            f"no points of kind {kind!r}; expected 'masking' or 'retraining' in the evaluation"
        )
    frame = pd.DataFrame(list(evaluation[kind]))
    colour = alt.Color(
        "keep:N",
        title="Neurons kept",
        scale=alt.Scale(domain=list(KEEP_COLOURS), range=list(KEEP_COLOURS.values())),
        legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=3, symbolOpacity=1),
    )
    x = alt.X("share:Q", title="Neurons kept (% of all)", axis=alt.Axis(format=".0%"))
    y = alt.Y("accuracy:Q", title="Accuracy", axis=alt.Axis(format=".0%"), scale=alt.Scale(zero=False))
    tooltip = [
        alt.Tooltip("keep:N", title="kept"),
        alt.Tooltip("share:Q", format=".0%"),
        alt.Tooltip("accuracy:Q", format=".3f"),
    ]
    base = alt.Chart(frame).encode(x=x, color=colour)
    layers = [base.mark_line(point=alt.OverlayMarkDef(size=30)).encode(y=y, tooltip=tooltip)]
    if {"low", "high"} <= set(frame.columns):
        layers.insert(0, base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q", title="Accuracy"), y2="high:Q"))
    layers += _rules(evaluation)
    names = {
        "masking": ("Masking: the probe with all other neurons set to zero", "no new training"),
        "retraining": ("Retraining: a new probe on the kept neurons alone", ""),
    }
    heading, extra = names[kind]
    chart = alt.layer(*layers).properties(width=WIDTH, height=280)
    known = "dashed: the full probe; dotted: majority label" if len(layers) > 2 else ""
    return finish(chart, heading, "; ".join(part for part in (extra, known) if part))


def _rules(evaluation: Mapping[str, Any]) -> list[Any]:
    full = (evaluation.get("full") or {}).get("accuracy")
    lines = [("full probe", full, [6, 4]), ("majority label", evaluation.get("majority"), [2, 3])]
    rules = []
    for name, value, dash in lines:
        if value is not None:
            data = pd.DataFrame({"value": [float(value)], "name": [name]})
            rule = alt.Chart(data).mark_rule(strokeDash=dash, color=INK, strokeWidth=1.2)
            rules.append(rule.encode(y="value:Q", tooltip=["name:N", alt.Tooltip("value:Q", format=".3f")]))
    return rules
