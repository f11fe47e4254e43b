"""Section on sweeps: what edits of each ranking's neurons do, against random neurons of the same sites."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.analyses.questions.damage import damage_unit
from onegrain.analyses.sweeps.significance import Significance, significance
from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.errors import ParameterError
from onegrain.metrics.registry import metric_title
from onegrain.records.curve import KEEP
from onegrain.records.sweep import Sweep, order_name
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import UNKNOWN, bracketed, number, percent

__all__ = ["sweep_section"]

MOST_FINDINGS = 6


def sweep_section(sweeps: Mapping[str, Sweep]) -> Section:
    """Return the section on what edits of the first neurons of each ranking do.

    Args:
        sweeps: name -> sweep.
    """
    blocks: list[Block] = []
    findings: list[str] = []
    for name, sweep in sweeps.items():
        result = _tested(sweep)
        if result is not None:
            findings += _findings(name, sweep, result)
        blocks.append(Text((), heading=name))
        blocks += _charts(name, sweep)
        blocks += [] if result is None else _tables(name, sweep, result)
        signatures = [f"{metric}: {facts['signature']}" for metric, facts in sweep.metrics.items()]
        blocks.append(Fold(f"{name}: how it was measured", [Text.of(_matching(sweep), *signatures)]))
    if len(findings) > MOST_FINDINGS:
        blocks.insert(0, Fold("All findings", [Text(tuple(findings))]))
        findings = findings[:MOST_FINDINGS]
    return Section("What do edits of the first neurons do?", blocks, "sweeps", tuple(findings))


def _tested(sweep: Sweep) -> Significance | None:
    """Return the tests of a sweep; None if it has no line that edits more and more neurons."""
    try:
        return significance(sweep)
    except ParameterError:
        return None


def _charts(name: str, sweep: Sweep) -> list[Block]:
    kinds = {"edits": tuple(line for line in sweep.lines if line != KEEP), "keep": (KEEP,)}
    return [
        Chart(draw(Sweep, chart, sweep, metric), slug(f"sweep-{chart}-{name}-{metric}"))
        for metric in sweep.metrics
        for chart, lines in kinds.items()
        if any(line in sweep.lines for line in lines)
    ]


def _matching(sweep: Sweep) -> str:
    """Return how the random orders were drawn, as a sentence."""
    parameters = sweep.provenance.parameters
    if "random" not in sweep.lines:
        return "No random orders were measured."
    orders = number(parameters.get("random_orders"))
    how = {
        "site": "as many neurons of each site as the ranking's first have",
        "size": "as many neurons of each site as the ranking's first have, of like mean change by the edit",
    }.get(str(parameters.get("match")), "neurons of all sites alike, not matched")
    return f"Random orders: {orders}, with {how}."


def _findings(name: str, sweep: Sweep, result: Significance) -> list[str]:
    """Return for each ranking, metric and edit whether its first neurons matter more than random ones."""
    return [_finding(name, sweep, row) for _, row in result.against_random.iterrows()]


def _finding(name: str, sweep: Sweep, row: pd.Series) -> str:
    facts = sweep.metrics[row["metric"]]
    unit = damage_unit(str(facts["metric"]), bool(facts["higher_is_better"]))
    item = order_name(row["ranking"], None if pd.isna(row["label"]) else row["label"])
    gap = f"{number(row['gap'], '+.3g')} {unit}"
    gap += f" {bracketed(row['low'], row['high'], '+.3g')}" if pd.notna(row["low"]) else ""
    q = number(row["q"], ".2g")
    if pd.isna(row["q"]):
        verdict = f"by {gap}, without an interval"
    elif row["q"] > SIGNIFICANT:
        verdict = f"no more than random ones, as far as these sentences show ({gap}, q = {q})"
    else:
        verdict = f"{'more' if row['gap'] > 0 else 'less'} than random ones ({gap}, q = {q})"
    if pd.notna(row["smallest"]):
        verdict += f"; {number(int(row['smallest']))} are the fewest that exceed every random order"
    return (
        f"{name}, {row['edit']}: the first neurons of {item} change {metric_title(facts['metric'])} for "
        f"the worse {verdict}."
    )


def _tables(name: str, sweep: Sweep, result: Significance) -> list[Block]:
    several = [column for column in ("label", "metric", "edit") if _varies(result.areas[column])]
    until = percent(result.until, 0)
    blocks: list[Block] = []
    against = result.against_random
    if len(against):
        frame = pd.DataFrame(
            {
                "ranking": against["ranking"],
                **{column: against[column] for column in several},
                "gap": [_bounded(row, "gap") for _, row in against.iterrows()],
                "q": against["q"],
                "exceeded": [f"{row.exceeded} of {row.orders}" for row in against.itertuples()],
                "smallest": [_fewest(row) for _, row in against.iterrows()],
            }
        )
        caption = (
            f"{name}. Top − random: mean damage by the ranking's first neurons less that by random ones, from "
            f"0 to {until} of the neurons edited, with 95 % intervals over sentences and random orders; q: "
            "corrected p-value of no difference (Benjamini-Hochberg). Exceeded: random orders with less "
            "damage. Fewest: the smallest number of neurons that do more damage than every random order of as "
            "many."
        )
        headings = {"gap": "top − random", "smallest": "fewest"}
        blocks.append(Table(frame, caption, {"q": ".2g"}, headings))
    if len(result.differences):
        frame = result.differences.assign(
            difference=[_bounded(row, "difference") for _, row in result.differences.iterrows()]
        )[["first", "second", *several, "difference", "q"]]
        caption = (
            f"{name}. Damage by the first neurons of one ranking less that of another, mean from 0 to {until} "
            "edited, on paired draws of the sentences."
        )
        blocks.append(Fold(f"{name}: rankings against each other", [Table(frame, caption, {"q": ".2g"})]))
    areas = result.areas.assign(area=[_bounded(row, "area", ".3g") for _, row in result.areas.iterrows()])
    caption = f"{name}. Mean damage from 0 to {until} edited, with 95 % intervals over sentences."
    table = Table(areas[["ranking", *several, "line", "area"]], caption, {}, {"line": "edited first"})
    return [*blocks, Fold(f"{name}: all areas", [table])]


def _varies(column: pd.Series) -> bool:
    return column.nunique(dropna=False) > 1 or (column.name == "label" and bool(column.notna().any()))


def _bounded(row: pd.Series, column: str, form: str = "+.3g") -> str:
    text = number(row[column], form)
    return text if pd.isna(row["low"]) else f"{text} {bracketed(row['low'], row['high'], form)}"


def _fewest(row: pd.Series) -> str:
    if pd.isna(row["smallest"]):
        return UNKNOWN
    return f"{number(int(row['smallest']))} ({percent(row['smallest_share'])})"
