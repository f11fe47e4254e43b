"""Sections on localisation, sharing and layers: the first two questions, and where the neurons lie."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.analyses.questions.localisation import localisation, mass_curves, open_against_closed
from onegrain.analyses.questions.sharing import Sharing, sharing
from onegrain.analyses.questions.topsets import default_k
from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Chart, Section, Table, Text, slug
from onegrain.reports.charts import (
    effective_bars,
    jaccard_matrix,
    labels_by_site,
    mass_lines,
    sharing_bars,
    site_bars,
)
from onegrain.reports.rendering.numbers import number, percent

__all__ = [
    "layers_findings",
    "layers_section",
    "localisation_findings",
    "localisation_section",
    "sharing_findings",
    "sharing_section",
]

LOCAL_HEADINGS = {
    "word_class": "class",
    "neurons_25": "neurons for 25 %",
    "neurons_50": "50 %",
    "neurons_90": "90 %",
    "effective": "effective number",
    "effective_share": "of all neurons",
    "gini": "Gini",
}


def localisation_findings(rankings: Mapping[str, Ranking]) -> list[str]:
    """One or two sentences a ranking: the most and least localised label; open against closed classes."""
    found = []
    for name, ranking in rankings.items():
        table = localisation(ranking)
        known = table[table["effective"].notna()].sort_values("effective", kind="stable")
        if not len(known):
            found.append(f"{name}: no label has any weight, so nothing can be said about localisation.")
            continue
        least, most = known.iloc[0], known.iloc[-1]
        text = (
            f"{name}: of {number(ranking.space.size)} neurons, {most['label']} is spread over an "
            f"effective {number(most['effective'])} of them, {least['label']} over "
            f"{number(least['effective'])}; half "
            f"of a label's weight mass lies in {number(known['neurons_50'].median())} of them (median over "
            "labels)."
        )
        found.append(text + _classes(table))
    return found


def _classes(table: pd.DataFrame) -> str:
    means = open_against_closed(table).set_index("word_class")["effective"].to_dict()
    if not {"open", "closed"} <= set(means):
        return ""
    opened, closed = means["open"], means["closed"]
    verdict = "more distributed than" if opened > closed else "not more distributed than"
    return (
        f" Open-class labels (mean {number(opened)}) are {verdict} closed-class ones (mean {number(closed)})."
    )


def localisation_section(rankings: Mapping[str, Ranking]) -> Section:
    """Question 1: per label, how many neurons hold its weight mass."""
    blocks: list[Block] = [Text(tuple(localisation_findings(rankings)))]
    for name, ranking in rankings.items():
        table = localisation(ranking)
        blocks.append(Text((), heading=name))
        if table["effective"].notna().any():
            blocks.append(Chart(effective_bars(table), slug(f"effective-{name}")))
            blocks.append(Chart(mass_lines(mass_curves(ranking)), slug(f"mass-{name}")))
        means = open_against_closed(table)
        if len(means):
            caption = "Means over the labels of each word class."
            headings = {
                key: text for key, text in LOCAL_HEADINGS.items() if key in means and key != "word_class"
            }
            blocks.append(Table(means, caption, {"effective_share": ".2%", "gini": ".3f"}, headings))
        shown = table.dropna(axis="columns", how="all")
        headings = {key: text for key, text in LOCAL_HEADINGS.items() if key in shown}
        formats = {key: form for key, form in (("effective_share", ".2%"), ("gini", ".3f")) if key in shown}
        caption = "Neurons that hold a share of each label's weight mass, out of "
        blocks.append(Table(shown, f"{caption}{number(ranking.space.size)}.", formats, headings))
    return Section("Localised or distributed?", blocks, "localisation")


def sharing_findings(rankings: Mapping[str, Ranking], k: int | None = None) -> list[str]:
    """One sentence a ranking: how many top neurons are exclusive, which labels share most, against chance."""
    found = []
    for name, ranking in rankings.items():
        result = sharing(ranking, k)
        if not len(result.neurons):
            found.append(f"{name}: no label has any weight, so no neuron is exclusive or shared.")
            continue
        alone = float((result.neurons["labels_n"] == 1).mean())
        text = (
            f"{name}: of the {number(len(result.neurons))} neurons in any label's top set, "
            f"{percent(alone, 0)} stand in one "
            f"only; the most shared, {result.neurons['name'].iloc[0]}, stands in "
            f"{number(int(result.neurons['labels_n'].iloc[0]))} of {len(ranking.labels)}."
        )
        found.append(text + _closest(result))
    return found


def _closest(result: Sharing) -> str:
    if not result.pairs["jaccard"].notna().any():
        return ""
    pair = result.pairs.sort_values("jaccard", ascending=False, kind="stable").iloc[0]
    beyond = int((result.pairs["q"] < SIGNIFICANT).sum())
    return (
        f" {pair['first']} and {pair['second']} overlap most: they share {int(pair['shared'])} neurons, where "
        f"random sets of their sizes share {number(pair['expected'])} on average (Jaccard "
        f"{pair['jaccard']:.2f}, random sets {pair['expected_jaccard']:.2g}); {beyond} of {len(result.pairs)} "
        f"pairs of labels share more than random sets at a false discovery rate of {SIGNIFICANT:.0%} over all "
        "pairs."
    )


def sharing_section(rankings: Mapping[str, Ranking], k: int | None = None) -> Section:
    """Question 2: for how many labels a neuron stands in the top set, and which labels overlap.

    Args:
        rankings: name -> ranking with label scores.
        k: neurons in a label's top set; default the larger of 10 and 1 % of the neurons.
    """
    blocks: list[Block] = [Text(tuple(sharing_findings(rankings, k)))]
    for name, ranking in rankings.items():
        result = sharing(ranking, k)
        if not len(result.neurons):
            continue
        size = k or default_k(ranking.space.size)
        blocks.append(Text((f"Top set: up to {number(size)} neurons a label.",), heading=name))
        blocks.append(Chart(sharing_bars(result), slug(f"sharing-{name}")))
        if len(result.pairs):
            blocks.append(Chart(jaccard_matrix(result), slug(f"jaccard-{name}")))
        shown = result.neurons.head(10)[["name", "labels_n", "labels"]]
        headings = {"name": "neuron", "labels_n": "number", "labels": "labels in whose top set it stands"}
        blocks.append(Table(shown, "The neurons shared by most labels.", {}, headings))
    return Section("Exclusive or shared?", blocks, "sharing")


def layers_findings(rankings: Mapping[str, Ranking], top: int | None = None) -> list[str]:
    """One sentence a ranking of several sites: where the top neurons are most over-represented."""
    found = []
    for name, ranking in rankings.items():
        table = layers(ranking, top)
        if len(table) < 2 or not table["count"].sum():
            continue
        best = table.sort_values("enrichment", ascending=False, kind="stable").iloc[0]
        text = (
            f"{name}: {best['site']} holds {percent(best['share'], 0)} of the top "
            f"{number(int(table['count'].sum()))} "
            f"neurons, {best['enrichment']:.1f} times its share of all neurons"
        )
        verdict = "" if best["q"] < SIGNIFICANT else "; no more than a random choice could give"
        found.append(f"{text} (q = {best['q']:.2g}, corrected over {len(table)} sites{verdict}).")
    return found


def layers_section(rankings: Mapping[str, Ranking], top: int | None = None) -> Section:
    """In which sites the top neurons lie, overall and for each label.

    Args:
        rankings: name -> ranking; those of one site only are listed but not drawn.
        top: how many neurons to look at; default the larger of 10 and 1 %.
    """
    blocks: list[Block] = [Text(tuple(layers_findings(rankings, top)))]
    for name, ranking in rankings.items():
        table = layers(ranking, top)
        if len(table) < 2:
            blocks.append(Text.of(f"{name}: all neurons lie in one site, {ranking.space.sites[0]}."))
            continue
        blocks.append(Text((), heading=name))
        blocks.append(Chart(site_bars(table, int(table["count"].sum())), slug(f"layers-{name}")))
        if ranking.label_scores is not None and ranking.labels:
            blocks.append(Chart(labels_by_site(layers_by_label(ranking, top)), slug(f"layers-labels-{name}")))
        formats = {"share": ".1%", "width_share": ".1%", "enrichment": ".2f", "p": ".2g", "q": ".2g"}
        caption = (
            "Top neurons by site. Chance: the site's share of all neurons; p: hypergeometric, at least as many."
        )
        headings = {"width_share": "by chance", "width": "neurons", "count": "in the top"}
        blocks.append(Table(table, caption, formats, headings))
    return Section("In which layers?", blocks, "layers")
