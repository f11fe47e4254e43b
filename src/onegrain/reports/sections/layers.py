"""Section on the layers: where the top neurons of every ranking lie."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw, draw_together, joined_layers
from onegrain.reports.rendering.numbers import listed, number, percent

__all__ = ["layers_section"]

FORMATS = {"share": ".1%", "width_share": ".1%", "enrichment": ".2f", "p": ".2g", "q": ".2g"}
HEADINGS = {"width_share": "by chance", "width": "neurons", "count": "in the top"}


def layers_section(rankings: Mapping[str, Ranking], top: int | None = None) -> Section:
    """Return the section on the sites of the top neurons, in one chart and one table for all rankings.

    Args:
        rankings: name -> ranking; rankings of one site are named, not drawn.
        top: number of neurons to look at; by default the larger of 10 and 1 %.
    """
    tables = {name: layers(ranking, top) for name, ranking in rankings.items()}
    spread = {name: table for name, table in tables.items() if len(table) > 1}
    blocks: list[Block] = []
    if spread:
        joined = joined_layers(spread)
        blocks.append(Chart(draw_together(Ranking, "layers", joined), "layers"))
        caption = (
            "Top neurons by site. Chance: the site's part of all neurons; p: hypergeometric, at least as many; "
            "q: corrected over the sites of each ranking."
        )
        blocks.append(Fold("The numbers of every site", [Table(joined, caption, FORMATS, HEADINGS)]))
    for name in spread:
        if rankings[name].label_scores is not None and rankings[name].labels:
            drawn = draw(Ranking, "label-layers", layers_by_label(rankings[name], top))
            chart = Chart(drawn, slug(f"layers-labels-{name}"))
            blocks.append(Fold(f"Layers of each label: {name}", [chart]))
    blocks += [
        Text.of(f"{name}: all neurons lie in one site, {rankings[name].space.sites[0]}.")
        for name in tables
        if name not in spread
    ]
    ranked = {name: table for name, table in spread.items() if table["count"].sum()}
    return Section("In which layers?", blocks, "layers", tuple(_findings(ranked)))


def _findings(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return where the top neurons gather beyond chance, and for which rankings they do not, in sentences."""
    gathered: dict[str, list[str]] = {}
    scattered: dict[str, float] = {}
    for name, table in tables.items():
        best = table.sort_values("enrichment", ascending=False, kind="stable").iloc[0]
        if best["q"] < SIGNIFICANT:
            share = f"{percent(best['share'], 0)} of {number(int(table['count'].sum()))}"
            facts = f"{share}, {best['enrichment']:.1f} times, q = {best['q']:.2g}"
            gathered.setdefault(str(best["site"]), []).append(f"{name} ({facts})")
        else:
            scattered[name] = float(best["q"])
    sentences = []
    if gathered:
        by_site = "; ".join(f"in {site} for {listed(names)}" for site, names in gathered.items())
        sentences.append(
            f"Top neurons gather in one site more than by chance: {by_site}. In parentheses: the share of the "
            "first neurons that the site holds, how many times its share of all neurons this is, and q, "
            "corrected over the sites of the ranking."
        )
    if scattered:
        sentences.append(
            f"No site holds more of the top neurons of {listed(list(scattered))} than a random choice could "
            f"give (smallest q, corrected over the sites of the ranking: {min(scattered.values()):.2g})."
        )
    return sentences
