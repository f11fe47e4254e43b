"""Chart of a specificity: what editing the neurons of each label does to the words of every label."""

from __future__ import annotations

from typing import Any

import altair as alt

from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.specificity import Specificity
from onegrain.reports.charts.theme import INK, finish
from onegrain.reports.rendering.numbers import number

__all__ = ["damage_matrix"]

LABELLED = 17
"""Up to this many labels, the cells hold their number as text."""
STEP = 40
NARROW = 22


def damage_matrix(specificity: Specificity) -> Any:
    """Return a heat map of the excess damage: a row per label whose neurons are edited, a column per label.

    A cell that differs from 0 at a false discovery rate of 5 % over all cells has a frame.
    """
    table = specificity.cells.assign(found=specificity.cells["q"] <= SIGNIFICANT)
    rows, columns = list(specificity.edited), list(specificity.predicted)
    limit = max(float(table["excess"].abs().max()), 1e-9)
    base = alt.Chart(table).encode(
        x=alt.X(
            "predicted:N",
            sort=columns,
            title="label of the predicted words",
            axis=alt.Axis(labelAngle=-60, labelOverlap=False, orient="top"),
        ),
        y=alt.Y("edited:N", sort=rows, title="neurons of", axis=alt.Axis(labelOverlap=False)),
        tooltip=[
            alt.Tooltip("edited:N", title="neurons of"),
            alt.Tooltip("predicted:N", title="words"),
            alt.Tooltip("words:Q", title="number of words", format=",d"),
            *(alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("damage", "random", "excess")),
            alt.Tooltip("excess_low:Q", title="low", format="+.3f"),
            alt.Tooltip("excess_high:Q", title="high", format="+.3f"),
            alt.Tooltip("q:Q", format=".2g"),
        ],
    )
    colour = alt.Color(
        "excess:Q",
        scale=alt.Scale(scheme="blueorange", domain=[-limit, limit]),
        title="nats per word",
    )
    chart = base.mark_rect(stroke="white").encode(color=colour)
    labelled = len(columns) <= LABELLED
    step = STEP if labelled else NARROW
    chart += base.transform_filter("datum.found").mark_rect(filled=False, stroke=INK, strokeWidth=1.5)
    if labelled:
        chart += base.mark_text(fontSize=10).encode(
            text=alt.Text("excess:Q", format="+.2f"),
            color=alt.condition(f"abs(datum.excess) <= {0.6 * limit!r}", alt.value(INK), alt.value("#FFFFFF")),
        )
    subtitle = (
        f"rise of the loss with the first {number(specificity.k)} neurons of a label edited "
        f"({specificity.edit}), less that of random ones; framed: not 0 (q ≤ {SIGNIFICANT:g})"
    )
    return finish(
        chart.properties(width=alt.Step(step), height=alt.Step(step // 2 + 8)),
        "Whose words the neurons of each label matter to",
        subtitle,
    )
