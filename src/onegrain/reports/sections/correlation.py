"""Section on cross-model correlations: which neurons sister models share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw_together
from onegrain.reports.sections.nulls import null_limits

__all__ = ["correlation_section"]

UNIVERSAL = 5


def correlation_section(
    rankings: Mapping[str, Ranking], cards: Mapping[str, Mapping[str, str]] | None = None
) -> Section:
    """Return the section on how well each model's neurons are found again in its sister models.

    Args:
        rankings: model -> ranking whose scores are correlations between 0 and 1 (maxcorr, mincorr).
        cards: model -> neuron -> anchor of its card in the page.
    """
    what = " / ".join(dict.fromkeys(ranking.method for ranking in rankings.values()))
    rows = []
    for name, ranking in rankings.items():
        known = ranking.scores[np.isfinite(ranking.scores)]
        row = {
            "model": name,
            "method": ranking.method,
            "neurons": ranking.space.size,
            "constant": ranking.space.size - known.size,
        }
        if known.size:
            row |= {"median": float(np.median(known)), "over_half": float((known > 0.5).mean())}
        rows.append(row)
    frame = pd.DataFrame(rows)
    scores = {name: ranking.scores for name, ranking in rankings.items()}
    blocks: list[Block] = []
    if "median" in frame:
        chart = Chart(draw_together(Ranking, "correlations", scores, what), slug(f"correlation-{what}"))
        formats = {"median": ".2f", "over_half": ".0%"}
        headings = {"over_half": "neurons above 0.5", "constant": "without a score"}
        blocks = [
            chart,
            Table(frame, f"{what}: each neuron's best correlation with another model.", formats, headings),
        ]
        blocks += _universal(rankings, cards or {})
    else:
        blocks = [Text.of("No neuron has a correlation: all are constant.")]
    return Section("Which neurons do sister models share?", blocks, "correlation")


def _universal(rankings: Mapping[str, Ranking], cards: Mapping[str, Mapping[str, str]]) -> list[Block]:
    """Return a table of the first neurons of each ranking that names partners, with their partners."""
    rows = []
    for name, ranking in rankings.items():
        partner, null = ranking.details.get("partner"), ranking.details.get("null", {})
        if partner is None or "spaces" not in ranking.details:
            continue
        spaces = [NeuronSpace.from_json(space) for space in ranking.details["spaces"]]
        for neuron in ranking.order[: min(UNIVERSAL, ranking.n_ranked)].tolist():
            sister = partner["model"][neuron]
            row = {
                "model": name,
                "neuron": ranking.space.name(neuron),
                "partner": spaces[sister].name(partner["neuron"][neuron]),
                "of": _sister(ranking, sister),
                "correlation": partner["correlation"][neuron],
            }
            rows.append(row | ({"excess": null["excess"][neuron], "q": null["q"][neuron]} if null else {}))
    if not rows:
        return []
    frame = pd.DataFrame(rows)
    formats = {"correlation": ".3f", "excess": ".3f", "q": ".2g"}
    formats = {column: form for column, form in formats.items() if column in frame}
    caption = (
        f"The first {UNIVERSAL} neurons of each model, and the neuron of a sister model that each is most like."
    )
    links = {"neuron": [cards.get(row["model"], {}).get(row["neuron"]) for row in rows]}
    table = Table(frame, caption, formats, links=links)
    return [Fold("The first neurons and their partners", [table]), *null_limits(rankings)]


def _sister(ranking: Ranking, number: int) -> str:
    """Return the name of the other model of this number in a cross-model ranking."""
    made_from = ranking.provenance.made_by("rank").inputs[1:]
    known = made_from[number].model if number < len(made_from) else None
    return known.id if known is not None else ranking.details["models"][number]
