"""Section on question 2: is a neuron exclusive to one label or shared by several?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from onegrain.analyses.questions.sharing import Sharing, sharing
from onegrain.core.bootstrap import SIGNIFICANT, bootstrap_interval
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Answer, Block, Chart, Section, Table, Text, slug
from onegrain.reports.charts import small_sharing
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, number, percent

__all__ = ["sharing_section"]

LISTED = 10


def sharing_section(
    rankings: Mapping[str, Ranking],
    k: int | None = None,
    cautions: Mapping[str, Sequence[str]] | None = None,
    cards: Mapping[str, Mapping[str, str]] | None = None,
) -> Section:
    """Return the section on how many labels each neuron serves, and which labels share neurons.

    Args:
        rankings: name -> ranking with label scores.
        k: neurons in a label's top set; default the larger of 10 and 1 % of the neurons.
        cautions: name -> what weakens statements about this ranking's probe.
        cards: name -> neuron -> anchor of its card in the page.
    """
    findings: list[str] = []
    blocks: list[Block] = []
    answer = None
    for name, ranking in rankings.items():
        result = sharing(ranking, k)
        findings.append(_finding(name, ranking, result))
        if not len(result.neurons):
            continue
        blocks += _blocks(name, result, (cards or {}).get(name, {}))
        if answer is None:
            answer = _answer(name, result, tuple((cautions or {}).get(name, ())))
    return Section("Exclusive or shared?", blocks, "sharing", tuple(findings), answer)


def _finding(name: str, ranking: Ranking, result: Sharing) -> str:
    """Return how many top neurons are exclusive, and which labels share most, against chance, in sentences."""
    if not len(result.neurons):
        return f"{name}: no label has any weight, so no neuron is exclusive or shared."
    exclusive = float((result.neurons["labels_n"] == 1).mean())
    size, most = max(result.sizes.values()), result.neurons.iloc[0]
    return (
        f"{name}: of the {number(len(result.neurons))} neurons in any label's top set (up to {number(size)} "
        f"each), {percent(exclusive, 0)} stand in one only; the most shared, {most['name']}, stands in "
        f"{number(int(most['labels_n']))} of {len(ranking.labels)}.{_closest(result)}"
    )


def _closest(result: Sharing) -> str:
    if not result.pairs["jaccard"].notna().any():
        return ""
    pair = result.pairs.sort_values("jaccard", ascending=False, kind="stable").iloc[0]
    return (
        f" {pair['first']} and {pair['second']} overlap most: they share {int(pair['shared'])} neurons, where "
        f"random sets of their sizes share {number(pair['expected'])} on average (Jaccard "
        f"{pair['jaccard']:.2f}, random sets {pair['expected_jaccard']:.2g}); {_beyond_chance(result)} of "
        f"{len(result.pairs)} pairs of labels share more than random sets at a false discovery rate of "
        f"{SIGNIFICANT:.0%} over all pairs."
    )


def _beyond_chance(result: Sharing) -> int:
    return int((result.pairs["q"] < SIGNIFICANT).sum())


def _answer(name: str, result: Sharing, cautions: tuple[str, ...]) -> Answer:
    """Return the share of exclusive neurons with its bootstrap interval over neurons, beside that of chance."""
    exclusive = (result.neurons["labels_n"] == 1).to_numpy(float)
    low, high = bootstrap_interval(exclusive)
    expected = result.distribution.set_index("labels_n")["expected"]
    chance = float(expected.loc[1] / expected.loc[1:].sum())
    verdict = (
        "Neurons are shared: fewer are exclusive to one label than random sets would give"
        if high < chance
        else "Neurons are exclusive: more serve one label only than random sets would give"
        if low > chance
        else "Neurons are as exclusive as random sets would be"
    )
    if len(result.pairs):
        verdict += f"; {_beyond_chance(result)} of {len(result.pairs)} pairs of labels overlap beyond chance"
    return Answer(
        f"{verdict}.",
        percent(exclusive.mean(), 0),
        f"of the {number(len(exclusive))} top neurons serve one label only in {name}; random sets: "
        f"{percent(chance, 0)}",
        f"{bracketed(100 * low, 100 * high, '.0f')} 95 % over neurons",
        Chart(small_sharing(result), "answer-sharing", "neurons by the number of labels that they serve"),
        cautions,
    )


def _blocks(name: str, result: Sharing, cards: Mapping[str, str]) -> list[Block]:
    blocks: list[Block] = [Text((), heading=name)]
    blocks.append(Chart(draw(Ranking, "sharing", result), slug(f"sharing-{name}")))
    if len(result.pairs):
        blocks.append(Chart(draw(Ranking, "overlaps", result), slug(f"jaccard-{name}")))
    most: pd.DataFrame = result.neurons.head(LISTED)[["name", "labels_n", "labels"]]
    headings = {"name": "neuron", "labels_n": "number", "labels": "labels in whose top set it stands"}
    links = {"name": [cards.get(neuron) for neuron in most["name"]]}
    return [*blocks, Table(most, f"{name}: the neurons shared by most labels.", {}, headings, links)]
