"""Section on the layers: where the top neurons of every ranking lie."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts import labels_by_site, rankings_by_site
from onegrain.reports.rendering.numbers import listed, number, percent

__all__ = ["layers_section"]

FORMATS = {"share": ".1%", "width_share": ".1%", "enrichment": ".2f", "p": ".2g", "q": ".2g"}
HEADINGS = {"width_share": "by chance", "width": "neurons", "count": "in the top"}


def layers_section(rankings: Mapping[str, Ranking], top: int | None = None) -> Section:
    """Return the section on the sites of the top neurons, in one chart and one table for all rankings.

    Args:
        rankings: name -> ranking; rankings of one site are named, not drawn.
        top: how many neurons to look at; default the larger of 10 and 1 %.
    """
    tables = {name: layers(ranking, top) for name, ranking in rankings.items()}
    spread = {name: table for name, table in tables.items() if len(table) > 1}
    blocks: list[Block] = []
    if spread:
        joined = pd.concat([table.assign(ranking=name) for name, table in spread.items()], ignore_index=True)
        joined = joined[["ranking", *joined.columns.drop("ranking")]]
        blocks.append(Chart(rankings_by_site(joined), "layers"))
        caption = (
            "Top neurons by site. Chance: the site's part of all neurons; p: hypergeometric, at least as many; "
            "q: corrected over the sites of each ranking."
        )
        blocks.append(Fold("The numbers of every site", [Table(joined, caption, FORMATS, HEADINGS)]))
    for name in spread:
        if rankings[name].label_scores is not None and rankings[name].labels:
            chart = Chart(labels_by_site(layers_by_label(rankings[name], top)), slug(f"layers-labels-{name}"))
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
    scattered: list[str] = []
    for name, table in tables.items():
        best = table.sort_values("enrichment", ascending=False, kind="stable").iloc[0]
        facts = (
            f"{percent(best['share'], 0)} of its first {number(int(table['count'].sum()))} neurons, "
            f"{best['enrichment']:.1f} times the site's share of all, q = {best['q']:.2g}"
        )
        if best["q"] < SIGNIFICANT:
            gathered.setdefault(str(best["site"]), []).append(f"{name} ({facts})")
        else:
            scattered.append(f"{name} (at most {best['site']}: {facts})")
    corrected = f"q below {SIGNIFICANT:g}, corrected over the sites of each ranking"
    sentences = []
    if gathered:
        by_site = "; ".join(f"in {site} for {listed(names)}" for site, names in gathered.items())
        sentences.append(f"Top neurons gather in one site more than by chance ({corrected}): {by_site}.")
    if scattered:
        sentences.append(
            "No site holds more of the top neurons than a random choice could give"
            f"{'' if gathered else f' ({corrected})'} for {listed(scattered)}."
        )
    return sentences
