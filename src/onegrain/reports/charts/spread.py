"""Charts of localisation, sharing and layers: how the weight is spread over neurons, labels and sites."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from onegrain.analyses.questions.sharing import Sharing
from onegrain.errors import ParameterError
from onegrain.reports.charts.theme import CLASS_COLOURS, COLOURS, INK, SEQUENTIAL, WIDTH, finish

__all__ = [
    "chance_and_observed",
    "class_colour",
    "effective_bars",
    "jaccard_matrix",
    "labels_by_site",
    "mass_lines",
    "rankings_by_site",
    "sharing_bars",
    "site_bars",
    "with_class",
]

UNKNOWN = "unknown"
LABELLED_SITES = 10
"""Up to this many sites, the cells of a heat map hold their share as text."""


def class_colour(frame: pd.DataFrame, title: str | None = "Word class") -> Any:
    """Return the colour of word classes, or one plain colour if no class is known."""
    classes = [kind for kind in CLASS_COLOURS if (frame["word_class"] == kind).any()]
    if not classes:
        return alt.value(COLOURS[0])
    if (frame["word_class"] == UNKNOWN).any():
        classes.append(UNKNOWN)
    colours = [CLASS_COLOURS.get(kind, "#BBBBBB") for kind in classes]
    return alt.Color("word_class:N", title=title, scale=alt.Scale(domain=classes, range=colours))


def with_class(frame: pd.DataFrame) -> pd.DataFrame:
    """Return rows of labels with a word class each, ``unknown`` where there was none."""
    if not len(frame):
        raise ParameterError("no label has any weight, so there is nothing to draw")
    return frame.assign(word_class=frame["word_class"].fillna(UNKNOWN).astype(str))


def mass_lines(curves: pd.DataFrame) -> Any:
    """Return the share of weight mass in the k largest neurons, a line per label, from :func:`mass_curves`."""
    frame = with_class(curves)
    lines = (
        alt.Chart(frame)
        .mark_line(strokeWidth=1.6, opacity=0.75)
        .encode(
            x=alt.X("neurons:Q", scale=alt.Scale(type="log", nice=False), title="Largest neurons (log scale)"),
            y=alt.Y("share:Q", axis=alt.Axis(format=".0%"), title="Share of the label's weight mass"),
            detail="label:N",
            color=class_colour(frame),
            tooltip=["label:N", "neurons:Q", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    half = alt.Chart(pd.DataFrame({"y": [0.5]})).mark_rule(strokeDash=[4, 4], color=INK).encode(y="y:Q")
    chart = (lines + half).properties(width=WIDTH, height=300)
    return finish(chart, "How fast the weight mass adds up", "one line per label; dashed: half of the mass")


def effective_bars(table: pd.DataFrame) -> Any:
    """Return bars of the effective number of neurons of every label, from :func:`localisation`."""
    frame = with_class(table[table["effective"].notna()])
    order = frame.sort_values("effective", ascending=False)["label"].tolist()
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False))
    base = alt.Chart(frame).encode(y=y)
    bars = base.mark_bar().encode(
        x=alt.X("effective:Q", title="Effective number of neurons, exp(entropy)"),
        color=class_colour(frame),
        tooltip=["label:N", "word_class:N", alt.Tooltip("effective:Q", format=",.1f")],
    )
    text = base.mark_text(align="left", dx=4, fontSize=10, color="#444444").encode(
        x="effective:Q", text=alt.Text("effective:Q", format=",.3~s")
    )
    chart = (bars + text).properties(width=WIDTH - 80, height=alt.Step(18))
    return finish(
        chart,
        "Effective number of neurons of each label",
        "few effective neurons: localised; many: distributed",
    )


def jaccard_matrix(result: Sharing) -> Any:
    """Return a heat map of the Jaccard index of every two labels' top sets, each pair once."""
    if len(result.pairs) == 0:
        raise ParameterError("an overlap matrix needs at least two labels")
    frame = result.pairs
    labels = list(result.jaccard.columns)
    step = 28 if len(labels) <= 20 else 15
    high = max(float(np.nanmax(frame["jaccard"])), 0.05)
    scale = alt.Scale(scheme=SEQUENTIAL, domain=[0, high])
    encoded = alt.Chart(frame).encode(
        x=alt.X("first:N", sort=labels[:-1], title=None, axis=alt.Axis(labelAngle=-60, labelOverlap=False)),
        y=alt.Y("second:N", sort=labels[1:], title=None, axis=alt.Axis(labelOverlap=False)),
    )
    cells = encoded.mark_rect(stroke="white").encode(
        color=alt.Color("jaccard:Q", scale=scale, title="Jaccard"),
        tooltip=[
            "first:N",
            "second:N",
            "shared:Q",
            *(
                alt.Tooltip(f"{name}:Q", format=".3g")
                for name in ("expected", "jaccard", "expected_jaccard", "q")
            ),
        ],
    )
    chance = frame["expected_jaccard"].mean()
    subtitle = (
        f"Jaccard index of the labels' top sets; random sets of the same sizes give {chance:.3f} on average"
    )
    return finish(
        cells.properties(width=alt.Step(step), height=alt.Step(step)), "Which labels share neurons", subtitle
    )


def chance_and_observed(result: Sharing) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return how many neurons serve each number of labels, observed and by chance, and the colour of each kind.

    Returns:
        Rows of ``labels_n``, ``kind``, ``value``; and kind -> colour.

    Raises:
        ParameterError: no neuron stands in any top set.
    """
    table = result.distribution[result.distribution["labels_n"] > 0]
    seen = table[(table["neurons"] > 0) | (table["expected"] >= 0.5)]
    if not len(seen):
        raise ParameterError("no neuron stands in any top set, so there is nothing to draw")
    frame = table[table["labels_n"] <= seen["labels_n"].max()]
    parts = [
        frame.assign(kind="observed", value=frame["neurons"].astype(float)),
        frame.assign(kind="by chance", value=frame["expected"]),
    ]
    both = pd.concat(parts, ignore_index=True)[["labels_n", "kind", "value"]]
    return both, {"observed": COLOURS[0], "by chance": "#BBBBBB"}


def sharing_bars(result: Sharing) -> Any:
    """Return bars of how many neurons stand in the top sets of 1, 2, ... labels, beside those of chance."""
    both, colours = chance_and_observed(result)
    kinds = alt.Scale(domain=list(colours), range=list(colours.values()))
    chart = (
        alt.Chart(both)
        .mark_bar()
        .encode(
            x=alt.X("labels_n:O", title="Labels in whose top set a neuron stands", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("kind:N", sort=list(colours)),
            y=alt.Y("value:Q", title="Neurons"),
            color=alt.Color("kind:N", scale=kinds, title=None),
            tooltip=["labels_n:O", "kind:N", alt.Tooltip("value:Q", format=",.1f")],
        )
        .properties(width=WIDTH, height=240)
    )
    return finish(chart, "Labels per neuron", "by chance: every label's set drawn at random, independently")


def rankings_by_site(table: pd.DataFrame) -> Any:
    """Return a heat map: the share of each ranking's top neurons in every site, a panel per list of sites.

    Args:
        table: the rows of :func:`onegrain.analyses.layers` for several rankings, with a column ``ranking``.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, rows in table.groupby("ranking", sort=False):
        groups.setdefault(tuple(rows["site"]), []).append(str(name))
    high = max(float(table["share"].max()), 0.05)
    panels = []
    for sites, names in groups.items():
        rows = table[table["ranking"].isin(names)]
        base = alt.Chart(rows).encode(
            x=alt.X("site:N", sort=list(sites), title=None, axis=alt.Axis(labelAngle=-40, labelOverlap=False)),
            y=alt.Y("ranking:N", sort=names, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=260)),
        )
        cells = base.mark_rect(stroke="white").encode(
            color=alt.Color(
                "share:Q",
                scale=alt.Scale(scheme=SEQUENTIAL, domain=[0, high]),
                title="Share",
                legend=alt.Legend(format=".0%"),
            ),
            tooltip=[
                "ranking:N",
                "site:N",
                "count:Q",
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("width_share:Q", format=".1%", title="by chance"),
                alt.Tooltip("q:Q", format=".2g"),
            ],
        )
        panel = cells
        if len(sites) <= LABELLED_SITES:
            light = f"datum.share <= {0.6 * high!r}"
            panel += base.mark_text(fontSize=10).encode(
                text=alt.Text("share:Q", format=".0%"),
                color=alt.condition(light, alt.value(INK), alt.value("#FFFFFF")),
            )
        step = alt.Step(56 if len(sites) <= LABELLED_SITES else max(8, WIDTH // len(sites)))
        panels.append(panel.properties(width=step, height=alt.Step(24)))
    chart = alt.vconcat(*panels, spacing=18).resolve_scale(x="independent", y="independent")
    subtitle = "share of the top neurons of each ranking that lies in each site"
    return finish(chart, "Where the top neurons of every ranking lie", subtitle)


def site_bars(table: pd.DataFrame, top: int) -> Any:
    """Return the share of the top neurons in every site, with a tick for chance, from :func:`layers`."""
    sites = table["site"].tolist()
    base = alt.Chart(table).encode(y=alt.Y("site:N", sort=sites, title=None, axis=alt.Axis(labelOverlap=False)))
    x = alt.X("share:Q", title="Share of the top neurons", axis=alt.Axis(format=".0%"))
    tooltip = [
        "site:N",
        "width:Q",
        "count:Q",
        *(alt.Tooltip(f"{name}:Q", format=form) for name, form in (("share", ".1%"), ("enrichment", ".2f"))),
        alt.Tooltip("p:Q", format=".2g"),
    ]
    bars = base.mark_bar(color=COLOURS[0]).encode(x=x, tooltip=tooltip)
    ticks = base.mark_tick(color=INK, thickness=3, size=16).encode(x="width_share:Q")
    chart = (bars + ticks).properties(width=WIDTH - 80, height=alt.Step(22))
    subtitle = f"the first {top} neurons of the order; tick: the site's share of all neurons (chance)"
    return finish(chart, "In which layers the top neurons lie", subtitle)


def labels_by_site(table: pd.DataFrame) -> Any:
    """Return a heat map: the share of each label's top neurons in every site, from :func:`layers_by_label`."""
    sites, labels = list(dict.fromkeys(table["site"])), list(dict.fromkeys(table["label"]))
    chart = (
        alt.Chart(table)
        .mark_rect(stroke="white")
        .encode(
            x=alt.X("site:N", sort=sites, title=None, axis=alt.Axis(labelAngle=-40, labelOverlap=False)),
            y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelOverlap=False)),
            color=alt.Color(
                "share:Q",
                scale=alt.Scale(scheme=SEQUENTIAL, domainMin=0),
                title="Share",
                legend=alt.Legend(format=".0%"),
            ),
            tooltip=["label:N", "site:N", "count:Q", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=alt.Step(60), height=alt.Step(17))
    )
    return finish(
        chart, "Layers of each label's top neurons", "share of the label's top set that lies in each site"
    )
