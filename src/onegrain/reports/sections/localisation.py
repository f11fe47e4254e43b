"""Section on question 1: is a label localised in few neurons or distributed over many?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from onegrain.analyses.questions.localisation import localisation, mass_curves, open_against_closed
from onegrain.core.bootstrap import bootstrap_interval
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Answer, Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts import small_effective
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, number

__all__ = ["localisation_section"]

HEADINGS = {
    "word_class": "class",
    "neurons_25": "neurons for 25 %",
    "neurons_50": "50 %",
    "neurons_90": "90 %",
    "effective": "effective number",
    "effective_share": "of all neurons",
    "gini": "Gini",
}
FORMATS = {"effective_share": ".2%", "gini": ".3f"}


def localisation_section(
    rankings: Mapping[str, Ranking], cautions: Mapping[str, Sequence[str]] | None = None
) -> Section:
    """Return the section on how many neurons hold the weight mass of each label.

    Args:
        rankings: name -> ranking with label scores.
        cautions: name -> what weakens statements about this ranking's probe.
    """
    findings: list[str] = []
    blocks: list[Block] = []
    answer = None
    for name, ranking in rankings.items():
        table = localisation(ranking)
        means = open_against_closed(table)
        findings.append(_finding(name, ranking, table, means))
        blocks += _blocks(name, ranking, table, means)
        if answer is None and table["effective"].notna().any():
            answer = _answer(name, ranking, table, means, tuple((cautions or {}).get(name, ())))
    return Section("Localised or distributed?", blocks, "localisation", tuple(findings), answer)


def _finding(name: str, ranking: Ranking, table: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return the most and the least localised label, and open against closed classes, in sentences."""
    known = table[table["effective"].notna()].sort_values("effective", kind="stable")
    if not len(known):
        return f"{name}: no label has any weight, so nothing can be said about localisation."
    least, most = known.iloc[0], known.iloc[-1]
    return (
        f"{name}: of {number(ranking.space.size)} neurons, {most['label']} is spread over an effective "
        f"{number(most['effective'])} of them, {least['label']} over {number(least['effective'])}; half of a "
        f"label's weight mass lies in {number(known['neurons_50'].median())} of them (median over labels)."
        f"{_classes(means)}"
    )


def _class_means(means: pd.DataFrame) -> tuple[float, float] | None:
    """Return the mean effective numbers of open-class and closed-class labels; None where one is unknown."""
    by_class = means.set_index("word_class")["effective"].to_dict()
    return (by_class["open"], by_class["closed"]) if {"open", "closed"} <= set(by_class) else None


def _classes(means: pd.DataFrame) -> str:
    pair = _class_means(means)
    if pair is None:
        return ""
    verdict = "more distributed than" if pair[0] > pair[1] else "not more distributed than"
    return (
        f" Open-class labels (mean {number(pair[0])}) are {verdict} closed-class ones (mean {number(pair[1])})."
    )


def _answer(
    name: str, ranking: Ranking, table: pd.DataFrame, means: pd.DataFrame, cautions: tuple[str, ...]
) -> Answer:
    """Return the mean effective number of neurons per label, with its bootstrap interval over labels."""
    known = table[table["effective"].notna()].sort_values("effective", kind="stable")
    least, most = known.iloc[0], known.iloc[-1]
    verdict = (
        f"It depends on the label: {least['label']} takes the weight of {least['effective']:,.1f} neurons, "
        f"{most['label']} that of {most['effective']:,.1f}"
    )
    pair = _class_means(means)
    if pair is not None:
        verdict += (
            f"; open classes are {'more' if pair[0] > pair[1] else 'no more'} distributed than closed ones"
        )
    low, high = bootstrap_interval(table["effective"].dropna().to_numpy())
    return Answer(
        f"{verdict}.",
        number(known["effective"].mean(), ",.1f"),
        f"effective neurons per label, of {number(ranking.space.size)} in {name}",
        f"{bracketed(low, high, ',.1f')} 95 % over {len(known)} labels" if len(known) > 1 else "",
        Chart(small_effective(table), "answer-localisation", "effective neurons of each label"),
        cautions,
    )


def _blocks(name: str, ranking: Ranking, table: pd.DataFrame, means: pd.DataFrame) -> list[Block]:
    blocks: list[Block] = [Text((), heading=name)]
    if table["effective"].notna().any():
        blocks.append(Chart(draw(Ranking, "effective", table), slug(f"effective-{name}")))
        blocks.append(Chart(draw(Ranking, "mass", mass_curves(ranking)), slug(f"mass-{name}")))
    if len(means):
        headings = {key: text for key, text in HEADINGS.items() if key in means and key != "word_class"}
        blocks.append(Table(means, f"{name}: means over the labels of each word class.", FORMATS, headings))
    known = table.dropna(axis="columns", how="all")
    headings = {key: text for key, text in HEADINGS.items() if key in known}
    formats = {key: form for key, form in FORMATS.items() if key in known}
    caption = f"Neurons that hold a share of each label's weight mass, out of {number(ranking.space.size)}."
    return [*blocks, Fold(f"All labels of {name}", [Table(known, caption, formats, headings)])]
