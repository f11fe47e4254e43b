"""Tables of the section on importance: areas under the curves, the metric at some shares, overlaps of tops."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.analyses.judging.agreement import overlap
from onegrain.analyses.questions.damage import damage_unit
from onegrain.analyses.questions.importance import TaskImportance
from onegrain.metrics.registry import is_logarithmic, metric_title
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports.blocks import Block, Fold, Table
from onegrain.reports.rendering.numbers import bracketed, number, percent

__all__ = ["importance_tables", "overlap_tables", "value_with_interval"]


def value_with_interval(row: pd.Series) -> str:
    """Return the metric at a point of a curve as text, with its interval if the curve has one."""
    value = number(row["value"])
    return value if pd.isna(row["low"]) else f"{value} [{number(row['low'])}, {number(row['high'])}]"


def importance_tables(named: str, result: TaskImportance) -> list[Block]:
    """Return a table of the areas under all lines and, folded, one of the metric at some shares."""
    merged = result.summary.merge(result.gaps, on="ordering", how="left")
    gap_columns = [name for name in result.gaps.columns if name != "ordering"]
    merged.loc[merged["line"] != "top", gap_columns] = np.nan
    random = merged["line"] == "random"
    if random.sum() > 1 and merged.loc[random, "area"].nunique() == 1:
        merged = merged[~random | ~merged.duplicated("line")]
        merged.loc[merged["line"] == "random", "ordering"] = "(all)"
    unit = damage_unit(result.metric, result.higher_is_better)
    metric = metric_title(result.metric)
    rows = pd.DataFrame(
        {
            "ordering": merged["ordering"],
            "line": merged["line"],
            "area": [_with_bounds(row, "area", ".3g", "") for _, row in merged.iterrows()],
            "half_lost": merged["half_lost"],
            "half_lost_share": merged["half_lost_share"],
            "top_minus_bottom": [_with_bounds(row, "top_minus_bottom", "+.3g") for _, row in merged.iterrows()],
            "top_minus_random": [_with_bounds(row, "top_minus_random", "+.3g") for _, row in merged.iterrows()],
        }
    )
    logarithmic = is_logarithmic(result.metric, result.higher_is_better)
    half = "twice the intact value" if logarithmic else "half the intact value"
    caption = (
        f"{named}. Area: mean damage ({unit}) from 0 to {percent(result.until, 0)} erased; in brackets 95 % "
        f"intervals over sentences. Half lost: neurons erased until {metric} is {half} (a dash where it "
        "never is)."
    )
    formats = {"half_lost": ",.0f", "half_lost_share": ".1%"}
    headings = {
        "line": "erased first",
        "half_lost_share": "of all neurons",
        "top_minus_bottom": "area top − bottom",
        "top_minus_random": "top − random",
    }
    tables: list[Block] = [Table(rows, caption, formats, headings)]
    if len(result.at_shares):
        second = (
            f"{metric_title(result.metric, first=True)} with a share of all neurons erased; intact: "
            f"{number(result.intact)}. In brackets 95 % intervals (top, bottom), least and largest "
            "random order (random)."
        )
        tables.append(Fold(f"{named}: {metric} at some shares", [Table(_readings(result.at_shares), second)]))
    return tables


def _with_bounds(row: pd.Series, column: str, form: str, prefix: str | None = None) -> str:
    """Return a number of a table as text, with its interval if the table has one."""
    stem = column if prefix is None else prefix
    low, high = (row[f"{stem}_{end}" if stem else end] for end in ("low", "high"))
    text = number(row[column], form)
    return text if pd.isna(low) else f"{text} {bracketed(low, high, form)}"


def _readings(at_shares: pd.DataFrame) -> pd.DataFrame:
    """Return one row per ordering and line, one column per share: the metric with its interval."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for _, point in at_shares.iterrows():
        row = rows.setdefault((point["ordering"], point["line"]), {})
        row[f"{percent(point['share'], 0)} erased"] = value_with_interval(point)
    return pd.DataFrame([{"ordering": o, "erased first": line, **row} for (o, line), row in rows.items()])


def overlap_tables(model: str, rankings: Mapping[str, Ranking]) -> list[Table]:
    """Return a table for every two or more rankings of a model that are of the same neurons."""
    spaces: list[NeuronSpace] = []
    for ranking in rankings.values():
        spaces += [] if ranking.space in spaces else [ranking.space]
    groups = [
        {name: ranking for name, ranking in rankings.items() if ranking.space == space} for space in spaces
    ]
    return [_overlap_table(model, group) for group in groups if len(group) > 1]


def _overlap_table(model: str, rankings: Mapping[str, Ranking]) -> Table:
    size = next(iter(rankings.values())).space.size
    ks = sorted({min(size, max(1, round(share * size))) for share in (0.01, 0.05, 0.1, 0.2)})
    frame = overlap(rankings, ks)
    caption = (
        f"{model}: overlap of the orderings' first k neurons, beside what two random sets would share "
        "(hypergeometric)."
    )
    formats = {"expected": ".1f", "jaccard": ".3f", "expected_jaccard": ".3f", "p": ".2g", "q": ".2g"}
    headings = {"expected": "shared by chance", "expected_jaccard": "Jaccard by chance"}
    return Table(frame, caption, formats, headings)
