"""Section on rankings side by side: one table, one figure, and the differences with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from onegrain.analyses.judging.areas import ABLATION, Areas
from onegrain.analyses.judging.comparison import Comparison
from onegrain.records.curve import Curve
from onegrain.records.evaluation import Evaluation
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import UNKNOWN, listed, number, percent

__all__ = ["area_rows", "comparison_section"]

AGREEMENT = {"average_overlap": ".3f", "vote_overlap": ".3f", "spearman": ".3f", "kendall": ".3f"}


def area_rows(comparison: Comparison) -> pd.DataFrame:
    """Return the table of a comparison as text: each area with its interval in brackets."""
    table = comparison.table
    columns: dict[str, Any] = {name: table[name] for name in ("ranking", "method")}
    columns["ranked"] = [UNKNOWN if pd.isna(n) else number(int(n)) for n in table["ranked"]]
    for kind in comparison.measured:
        bounds = table[[kind, f"{kind}_low", f"{kind}_high"]].itertuples(index=False)
        columns[kind] = [_interval(kind, *row) for row in bounds]
    for name, form in AGREEMENT.items():
        columns[name] = [number(value, form) for value in table[name]]
    return pd.DataFrame(columns)


def comparison_section(
    comparison: Comparison,
    evaluation: Evaluation | None = None,
    curves: Mapping[str, Curve] | None = None,
    *,
    name: str = "",
) -> Section:
    """Return the section on rankings side by side.

    Args:
        comparison: result of :func:`onegrain.compare_rankings`.
        evaluation: from which it was made, for the figure.
        curves: from which it was made, for the figure.
        name: name of the comparison, for reports with several.
    """
    findings = _findings(comparison) + _cautions(evaluation)
    blocks: list[Block] = [Table(area_rows(comparison), _caption(comparison))]
    if evaluation is not None or curves:
        blocks.append(Chart(draw(Evaluation, "comparison", evaluation, curves), slug(f"comparison {name}")))
    if comparison.areas is not None:
        blocks += _area_tables(comparison.areas)
    forms = {"expected": ".1f", "jaccard": ".3f", "expected_jaccard": ".3f", "p": ".2g", "q": ".2g"}
    forms |= {"spearman": ".3f", "kendall": ".3f"}
    caption = (
        f"Every two rankings: their first {comparison.k} neurons, beside what two random sets would share "
        "(hypergeometric), and the rank correlation of all neurons; unranked ones share their middle rank."
    )
    blocks.append(Fold("Every two rankings", [Table(comparison.pairs, caption, forms)]))
    title = "Rankings side by side"
    return Section(f"{title}: {name}" if name else title, blocks, f"rankings {name}", tuple(findings))


def _findings(comparison: Comparison) -> list[str]:
    """Return for each measure which ranking is first, and from which others its interval does not part it."""
    if comparison.areas is None:
        return []
    sentences = []
    for kind in comparison.measured:
        rows = comparison.table[comparison.table["ranking"].isin(_compared(comparison.areas, kind))]
        rows = rows.sort_values(kind, ascending=False, kind="stable")
        if len(rows) < 2:
            continue
        best = str(rows["ranking"].iloc[0])
        close = [
            str(other)
            for other in rows["ranking"].iloc[1:]
            if not _beyond(comparison.areas, kind, best, str(other))
        ]
        verdict = f"it may be equal to {listed(close)}" if close else "it is above every other"
        area = _interval(kind, *comparison.areas.of(kind, best))
        level = percent(comparison.areas.level, 0)
        sentences.append(
            f"{kind.capitalize()}: {best} has the largest area, {area}; by the {level} intervals of the "
            f"differences {verdict}."
        )
    return sentences


def _interval(kind: str, value: float, low: float, high: float) -> str:
    """Return a value with its interval: an accuracy to three decimals, a damage to three digits."""
    form = "#.3g" if kind == ABLATION else ".3f"
    shown = number(value, form)
    return shown if np.isnan(low) or np.isnan(value) else f"{shown} [{low:{form}}, {high:{form}}]"


def _compared(areas: Areas, kind: str) -> list[str]:
    rows = areas.differences[areas.differences["kind"] == kind]
    return list(dict.fromkeys([*rows["first"], *rows["second"]]))


def _beyond(areas: Areas, kind: str, best: str, other: str) -> bool:
    """Return True if the interval of the difference leaves 0 out."""
    rows = areas.differences[areas.differences["kind"] == kind]
    pair = rows[rows["first"].isin((best, other)) & rows["second"].isin((best, other))].iloc[0]
    return bool(pair["low"] > 0 or pair["high"] < 0)


def _caption(comparison: Comparison) -> str:
    parts = []
    if "masking" in comparison.measured or "retraining" in comparison.measured:
        parts.append("Masking, retraining: mean accuracy over the numbers of neurons kept, of the first ones.")
    if ABLATION in comparison.measured:
        parts.append(
            "Ablation: mean damage over the shares erased, first neurons first; more is worse for the model."
        )
    if comparison.areas is not None:
        parts.append(f"In brackets: {percent(comparison.areas.level, 0)} intervals over sentences.")
    chance = comparison.expected
    parts.append(
        f"Overlaps: Jaccard of the first {comparison.k} neurons with those of {', '.join(comparison.judges)}, "
        "itself left out, on average, and with those that they elect (NeuronVote); by chance "
        f"{number(chance['average_overlap'], '.3f')} and {number(chance['vote_overlap'], '.3f')}."
    )
    return " ".join(parts)


def _area_tables(areas: Areas) -> list[Block]:
    gaps = "Area of the top less that of the bottom or of random orders."
    differences = "Area of the first ranking's top less that of the second's, in the same draws of sentences."
    folds: list[Block] = []
    for frame, title, name, caption in (
        (areas.gaps, "Areas against bottom and random", "gap", gaps),
        (areas.differences, "Differences of areas", "difference", differences),
    ):
        if len(frame):
            forms = {name: "+.3g", "low": "+.3g", "high": "+.3g"}
            folds.append(Fold(title, [Table(frame, caption, forms)]))
    return folds


def _cautions(evaluation: Evaluation | None) -> list[str]:
    """Return what weakens the evaluation: rankings that know the tested words, probes that were not solved."""
    if evaluation is None:
        return []
    cautions = list(evaluation.cautions)
    probe = evaluation.details["probe"]
    if probe.get("open_fits"):
        cautions.append(
            f"Beware: {probe['open_fits']} of {probe['fits']} probes were not solved to the tolerance; the "
            f"largest relative duality gap is {number(probe['largest_gap'], '.2g')}."
        )
    return cautions
