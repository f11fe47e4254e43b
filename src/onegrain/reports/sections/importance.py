"""Section on question 4: do the neurons matter to the task of the model?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.analyses.questions.damage import damage_unit
from onegrain.analyses.questions.importance import TaskImportance, task_importance, tasks
from onegrain.metrics.registry import metric_title
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Answer, Block, Chart, Fold, Section, Text, slug
from onegrain.reports.charts import small_ablation
from onegrain.reports.charts.registry import draw_together
from onegrain.reports.rendering.numbers import bracketed, number, percent
from onegrain.reports.sections.importance_tables import importance_tables, overlap_tables, value_with_interval

__all__ = ["curves_by_task", "importance_section"]

READ_AT = 0.2
PREFERRED = "lca"


def importance_section(
    curves: Mapping[tuple[str, str], Curve], rankings: Mapping[tuple[str, str], Ranking] | None = None
) -> Section:
    """Return the section on what erasing neurons does to each model's task.

    Args:
        curves: (model, ordering) -> curve; those of one model that share metric and test set are put together.
        rankings: (model, ordering) -> ranking, to say how far the orderings' tops overlap; None to leave it
            out.
    """
    findings: list[str] = []
    blocks: list[Block] = []
    answers: dict[str, Answer] = {}
    for (model, task), group in curves_by_task(curves).items():
        result = task_importance(group)
        findings += _findings(model, result)
        named = f"{model}: {task}" if task else model
        blocks += _blocks(model, named, group, result)
        answer = _answer(model, group, result)
        if answer is not None:
            answers.setdefault(model, answer)
    for model in dict.fromkeys(model for model, _ in curves):
        of_model = {
            ordering: ranking for (owner, ordering), ranking in (rankings or {}).items() if owner == model
        }
        tables = overlap_tables(model, of_model)
        blocks += [Fold(f"Overlap of the rankings of {model}", tables)] if tables else []
    order = [model for model, _ in rankings or {} if model in answers] or list(answers)
    answer = answers[order[0]] if order else None
    return Section("Do they matter to the task?", blocks, "importance", tuple(findings), answer)


def _blocks(model: str, named: str, group: Mapping[str, Curve], result: TaskImportance) -> list[Block]:
    signature = next(iter(group.values())).signature
    computed = Fold("How the metric is computed", [Text.of(f"Computed as: {signature}")])
    chart = Chart(draw_together(Curve, "ablation", group, model), slug(f"ablation-{named}"))
    return [Text((), heading=named), chart, *importance_tables(named, result), computed]


def _findings(model: str, result: TaskImportance) -> list[str]:
    """Return for each ordering whether its top hurts more than its bottom and than random, as a sentence."""
    table = result.at_shares
    sentences = []
    for ordering in dict.fromkeys(table["ordering"]):
        rows = table[(table["ordering"] == ordering) & table["line"].isin(("top", "bottom"))]
        lines_at = rows.groupby("share").size()
        complete = lines_at[lines_at == 2].index
        if not len(complete):
            continue
        share = float(complete[np.argmin(np.abs(complete.to_numpy() - READ_AT))])
        by_line = rows[rows["share"] == share].set_index("line")
        sentences.append(
            f"{model}: {_top_or_bottom(ordering, share, by_line, result)}"
            f"{_random(table, ordering, share, by_line)}"
        )
    return sentences


def _top_or_bottom(ordering: str, share: float, rows: pd.DataFrame, result: TaskImportance) -> str:
    top, bottom = rows.loc["top"], rows.loc["bottom"]
    worse, better = ("high", "low") if result.higher_is_better else ("low", "high")
    apart = top[worse] < bottom[better] if result.higher_is_better else top[worse] > bottom[better]
    if top["damage"] <= bottom["damage"]:
        verdict = "the top does not hurt more than the bottom"
    elif apart or pd.isna(top["low"]) or pd.isna(bottom["low"]):
        verdict = "the top hurts more than the bottom"
    else:
        verdict = "the top hurts more than the bottom, but their intervals overlap"
    return (
        f"with {percent(share, 0)} of the neurons erased in {ordering} order, {verdict}: "
        f"{metric_title(result.metric)} goes from {number(result.intact)} to "
        f"{value_with_interval(top)} (top) and {value_with_interval(bottom)} (bottom)"
    )


def _random(table: pd.DataFrame, ordering: str, share: float, rows: pd.DataFrame) -> str:
    random = table[(table["line"] == "random") & (table["share"] == share)]
    if not len(random):
        return "."
    same = random[random["ordering"] == ordering]
    chance = (same if len(same) else random).iloc[0]
    top = rows.loc["top"]
    if top["damage"] <= chance["damage"]:
        verdict = "no more than the mean random order"
    elif chance["low"] <= top["value"] <= chance["high"]:
        verdict = "more than the mean random order, but no more than the worst of them"
    else:
        verdict = "more than every random order"
    return f"; random orders give {value_with_interval(chance)}, so the top hurts {verdict}."


def _answer(model: str, group: Mapping[str, Curve], result: TaskImportance) -> Answer | None:
    """Return how much more the top of one ranking hurts than random neurons, or than its bottom.

    The ranking is the first of a probe (its curve's ranking has labels) or else the first, not the best: a
    choice by the outcome would flatter it.
    """
    gaps = result.gaps.set_index("ordering")
    named = [
        name for name in gaps.index if gaps.loc[name, ["top_minus_random", "top_minus_bottom"]].notna().any()
    ]
    if not named:
        return None
    name = next((name for name in named if _is_probe(group[name])), named[0])
    row = gaps.loc[name]
    against = "random" if pd.notna(row["top_minus_random"]) else "bottom"
    gap, low, high = (float(row[f"top_minus_{against}{end}"]) for end in ("", "_low", "_high"))
    known = not np.isnan(low)
    others = "random neurons" if against == "random" else "the last neurons"
    verdict = (
        f"They do: erasing the first neurons of {name} hurts {model} more than erasing {others}"
        if (low if known else gap) > 0
        else f"Erasing the first neurons of {name} does not hurt {model} more than erasing {others}"
    )
    unit = damage_unit(result.metric, result.higher_is_better)
    metric = metric_title(result.metric)
    return Answer(
        f"{verdict}.",
        number(gap, "+.3g"),
        f"{unit}: damage by the top less by {others}, mean over 0 to {percent(result.until, 0)} erased",
        f"{bracketed(low, high, '+.3g')} 95 % over sentences" if known else "",
        Chart(small_ablation(group[name]), "answer-importance", f"{metric} by the share of neurons erased"),
        _cautions(group[name], against, known),
    )


def _is_probe(curve: Curve) -> bool:
    return bool(curve.provenance.inputs) and curve.provenance.inputs[0].parameters.get("method") == PREFERRED


def _cautions(curve: Curve, against: str, known: bool) -> tuple[str, ...]:
    """Return what weakens the verdict: few random orders, or no interval."""
    cautions = []
    orders = len(curve.details.get("random_values") or ()) if against == "random" else 0
    if orders:
        cautions.append(
            f"Only {number(orders)} random {'order was' if orders == 1 else 'orders were'} measured."
        )
    if not known:
        cautions.append("The curve has no bootstrap draws, so the number has no interval.")
    return tuple(cautions)


def curves_by_task(curves: Mapping[tuple[str, str], Curve]) -> dict[tuple[str, str], dict[str, Curve]]:
    """Return the curves of each model and task: (model, name of the task) -> ordering -> curve.

    The name is empty for a model with one task; else it is the metric's title, with a number where two tasks
    share it.
    """
    by_task: dict[tuple[str, str], dict[str, Curve]] = {}
    for model in dict.fromkeys(model for model, _ in curves):
        groups = tasks({ordering: curve for (owner, ordering), curve in curves.items() if owner == model})
        metrics = [metric_title(next(iter(group.values())).metric) for group in groups]
        for position, (group, metric) in enumerate(zip(groups, metrics, strict=True)):
            repeated = f" {metrics[: position + 1].count(metric)}" if metrics.count(metric) > 1 else ""
            by_task[model, f"{metric}{repeated}" if len(groups) > 1 else ""] = group
    return by_task
