"""Chart of a similarity: every site of one model beside every site of another."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import altair as alt

from onegrain.records.similarity import Similarity
from onegrain.reports.charts.theme import INK, SEQUENTIAL, finish

__all__ = ["similarity_matrices"]

TITLES = {"cka": "Linear CKA", "pwcca": "PWCCA", "svcca": "SVCCA"}
LABELLED_SITES = 12
"""Up to this many sites a side, the cells hold their number as text."""


def similarity_matrices(similarity: Similarity) -> Any:
    """Return a heat map for each measure: a row per site of one model, a column per site of the other.

    Cells are empty where a site does not vary.
    """
    panels = [_panel(similarity, measure) for measure in similarity.measures]
    chart = alt.hconcat(*panels, spacing=28).resolve_scale(color="shared")
    first, second = (PurePath(str(similarity.details[side])).name for side in ("a", "b"))
    words = similarity.details["words"]
    subtitle = f"rows: {first}; columns: {second}; {words:,} words; 0: unrelated, 1: as similar as can be"
    return finish(chart, "How similar the sites of two models are", subtitle)


def _panel(similarity: Similarity, measure: str) -> Any:
    table = similarity.table[["site_a", "site_b", measure]].rename(columns={measure: "value"}).dropna()
    rows, columns = (list(dict.fromkeys(similarity.table[side])) for side in ("site_a", "site_b"))
    base = alt.Chart(table).encode(
        x=alt.X(
            "site_b:N",
            sort=columns,
            scale=alt.Scale(domain=columns),
            title=None,
            axis=alt.Axis(labelAngle=-60, labelOverlap=False),
        ),
        y=alt.Y(
            "site_a:N",
            sort=rows,
            scale=alt.Scale(domain=rows),
            title=None,
            axis=alt.Axis(labelOverlap=False),
        ),
    )
    colour = alt.Color("value:Q", scale=alt.Scale(scheme=SEQUENTIAL, domain=[0, 1]), title="Similarity")
    tooltip = ["site_a:N", "site_b:N", alt.Tooltip("value:Q", format=".3f", title=TITLES[measure])]
    panel = base.mark_rect(stroke="white").encode(color=colour, tooltip=tooltip)
    labelled = max(len(rows), len(columns)) <= LABELLED_SITES
    if labelled:
        panel += base.mark_text(fontSize=10).encode(
            text=alt.Text("value:Q", format=".2f"),
            color=alt.condition("datum.value <= 0.6", alt.value(INK), alt.value("#FFFFFF")),
        )
    step = alt.Step(34 if labelled else 15)
    return panel.properties(title=TITLES[measure], width=step, height=step)
