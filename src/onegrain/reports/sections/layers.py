"""Section on the layers: where the top neurons of every ranking lie."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts import labels_by_site, rankings_by_site
from onegrain.reports.rendering.numbers import number, percent

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
    findings = [_finding(name, table) for name, table in spread.items() if table["count"].sum()]
    return Section("In which layers?", blocks, "layers", tuple(findings))


def _finding(name: str, table: pd.DataFrame) -> str:
    """Return the site in which the top neurons are most over-represented, as a sentence."""
    best = table.sort_values("enrichment", ascending=False, kind="stable").iloc[0]
    verdict = "" if best["q"] < SIGNIFICANT else "; no more than a random choice could give"
    return (
        f"{name}: {best['site']} holds {percent(best['share'], 0)} of the top "
        f"{number(int(table['count'].sum()))} neurons, {best['enrichment']:.1f} times its share of all neurons "
        f"(q = {best['q']:.2g}, corrected over {len(table)} sites{verdict})."
    )
