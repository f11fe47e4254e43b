"""Section on robustness: does the order of merit of the rankings depend on the kind of edit?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.sweeps.robustness import Robustness
from onegrain.metrics.registry import metric_title
from onegrain.records.sweep import Sweep, order_name
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import bracketed, number

__all__ = ["robustness_section"]


def robustness_section(sweeps: Mapping[str, Sweep], results: Mapping[str, Robustness]) -> Section:
    """Return the section on how far the order of merit agrees between kinds of edit.

    Args:
        sweeps: name -> sweep, those of ``results`` among them.
        results: name -> robustness of the sweep.
    """
    blocks: list[Block] = []
    findings: list[str] = []
    for name, result in results.items():
        sweep = sweeps[name]
        findings += [_finding(name, sweep, row) for _, row in result.overall.iterrows()]
        blocks.append(Text((), heading=name))
        for metric in result.overall["metric"]:
            chart = draw(Sweep, "merits", result, sweep, metric)
            blocks.append(Chart(chart, slug(f"merits-{name}-{metric}")))
        blocks += _tables(name, result)
    return Section("Does it depend on the kind of edit?", blocks, "robustness", tuple(findings))


def _finding(name: str, sweep: Sweep, row: pd.Series) -> str:
    metric = metric_title(str(sweep.metrics[row["metric"]]["metric"]))
    w = f"{number(row['concordance'], '.2f')} {bracketed(row['low'], row['high'], '.2f')}"
    agreed = (
        "the same"
        if row["concordance"] >= 1.0
        else "much the same"
        if row["concordance"] >= 0.7
        else "only partly the same"
        if row["concordance"] >= 0.4
        else "not the same"
    )
    return (
        f"{name}: by {metric}, {number(int(row['items']))} rankings are in {agreed} order of merit under "
        f"{number(int(row['edits']))} kinds of edit (Kendall's W {w}; 1: the same order, 0: no agreement)."
    )


def _tables(name: str, result: Robustness) -> list[Block]:
    pairs = result.agreement
    frame = pairs.assign(
        kendall=[
            f"{number(row.kendall, '.2f')} {bracketed(row.low, row.high, '.2f')}" for row in pairs.itertuples()
        ]
    )[["metric", "first", "second", "kendall"]]
    caption = (
        f"{name}. Kendall's tau between the rankings' orders of merit under two kinds of edit (1: the same, "
        "-1: reversed), with 95 % intervals over draws of the sentences."
    )
    table = Table(frame, caption, {}, {"first": "edit", "second": "and edit", "kendall": "tau"})
    merits = result.merits
    labels = [None if pd.isna(label) else str(label) for label in merits["label"]]
    rows = pd.DataFrame(
        {
            "ranking": [order_name(str(r), label) for r, label in zip(merits["ranking"], labels, strict=True)],
            "metric": merits["metric"],
            "edit": merits["edit"],
            "merit": [
                f"{number(row.merit, '+.3g')} {bracketed(row.low, row.high, '+.3g')}"
                for row in merits.itertuples()
            ],
            "place": merits["place"],
        }
    )
    less = " less that by as many random neurons" if result.against else ""
    caption = f"{name}. Merit: mean damage by the ranking's first neurons{less}; place 1 has the largest."
    return [table, Fold(f"{name}: merits", [Table(rows, caption)])]
