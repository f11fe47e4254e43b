"""Sections on models side by side and on the task: questions 3 and 4, and the cross-model correlations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from onegrain.analyses.judging.agreement import overlap
from onegrain.analyses.questions.contrast import Contrast, contrast
from onegrain.analyses.questions.importance import TaskImportance, task_importance, tasks
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace
from onegrain.reports.blocks import Block, Chart, Section, Table, Text, slug
from onegrain.reports.charts import ablation, contrast_dots, contrast_sites, correlation_histogram
from onegrain.reports.rendering.numbers import number, percent
from onegrain.reports.sections.nulls import null_limits

__all__ = [
    "contrast_findings",
    "contrast_section",
    "correlation_section",
    "curves_by_task",
    "importance_findings",
    "importance_section",
]

READ_AT = 0.2
UNIVERSAL = 5
MEASURES: dict[str, tuple[str, str | None]] = {
    "neurons": ("neurons", None),
    "labels": ("labels compared", None),
    "accuracy": ("probe accuracy", ".1%"),
    "majority": ("always the commonest label", ".1%"),
    "lambda1": ("λ₁", "g"),
    "lambda2": ("λ₂", "g"),
    "minimal_neurons": ("minimal set, neurons", ",.0f"),
    "minimal_share": ("minimal set, share of neurons", ".1%"),
    "effective": ("effective number, mean over labels", ",.1f"),
    "effective_share": ("effective share of neurons", ".2%"),
    "effective_share_open": ("effective share, open class", ".2%"),
    "effective_share_closed": ("effective share, closed class", ".2%"),
    "gini": ("Gini", ".3f"),
    "mean_jaccard": ("Jaccard of two labels, mean", ".3f"),
    "expected_jaccard": ("Jaccard of random sets", ".3f"),
    "shared_neurons": ("top neurons of two or more labels", ".1%"),
}
"""Column of a contrast's summary -> what the report calls it, and its format."""


def contrast_findings(result: Contrast) -> list[str]:
    """Which model spreads the labels over the larger part of its neurons, and in how many of the labels."""
    by_model = result.summary.set_index("model")["effective_share"].sort_values(ascending=False, kind="stable")
    if by_model.isna().any():
        return []
    wide, narrow = str(by_model.index[0]), str(by_model.index[-1])
    table = result.by_label.pivot(index="label", columns="model", values="effective_share").dropna()
    wins = int((table[wide] > table[narrow]).sum())
    text = (
        f"On {len(result.labels)} common labels, {wide} spreads a label over an effective "
        f"{percent(by_model[wide])} of its "
        f"neurons on average, {narrow} over {percent(by_model[narrow])}; {wide} is the more distributed of "
        "the two for "
        f"{wins} of {len(table)} labels."
    )
    pairs = result.summary[["lambda1", "lambda2"]].drop_duplicates()
    if len(pairs) > 1:
        text += " Their probes were regularised differently (λ₁, λ₂), which alone changes these numbers."
    return [text]


def _measures(summary: pd.DataFrame) -> pd.DataFrame:
    """One row a measure that any model has, one column a model, as text."""
    rows = []
    for name, (heading, form) in MEASURES.items():
        values = summary[name].tolist()
        if any(not pd.isna(value) for value in values):
            shown = [number(None if pd.isna(value) else value, form) for value in values]
            rows.append({"measure": heading, **dict(zip(summary["model"], shown, strict=True))})
    return pd.DataFrame(rows)


def contrast_section(rankings: Mapping[str, Ranking], k: int | None = None) -> Section:
    """Question 3: the same numbers on each kind of model, on the labels that all of them have.

    Args:
        rankings: model -> its ranking with label scores, all of one label layer.
        k: neurons in a top set; default for each model the larger of 10 and 1 %.
    """
    result = contrast(rankings, k)
    dropped = [f"{name} (without {', '.join(gone)})" for name, gone in result.dropped.items() if gone]
    notes = [f"Compared on the labels that all models have: {'; '.join(dropped)}."] if dropped else []
    caption = "Means over the common labels; accuracy and minimal set are of the probe on all its own labels."
    blocks: list[Block] = [
        Text((*contrast_findings(result), *notes)),
        Table(_measures(result.summary), caption),
    ]
    layer = next(iter(rankings.values())).layer
    name = f"{layer}-{'-'.join(rankings)}"
    if result.by_label["effective_share"].notna().any():
        blocks.append(Chart(contrast_dots(result), slug(f"contrast-labels-{name}")))
    if (result.by_site.groupby("model").size() > 1).any():
        blocks.append(Chart(contrast_sites(result), slug(f"contrast-layers-{name}")))
    return Section("The models side by side", blocks, "contrast")


def importance_findings(model: str, result: TaskImportance) -> list[str]:
    """One sentence an ordering: does erasing its top hurt more than erasing its bottom, and than random?"""
    table = result.at_shares
    found = []
    for ordering in dict.fromkeys(table["ordering"]):
        part = table[(table["ordering"] == ordering) & table["line"].isin(("top", "bottom"))]
        both = part.groupby("share").size()
        both = both[both == 2]
        if not len(both):
            continue
        share = float(both.index[np.argmin(np.abs(both.index.to_numpy() - READ_AT))])
        rows = part[part["share"] == share].set_index("line")
        found.append(
            f"{model}: {_top_or_bottom(ordering, share, rows, result)}{_random(table, ordering, share, rows)}"
        )
    return found


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
        f"with {percent(share, 0)} of the neurons erased in {ordering} order, {verdict}: {result.metric} "
        "goes from "
        f"{number(result.intact)} to {_interval(top)} (top) and {_interval(bottom)} (bottom)"
    )


def _interval(row: pd.Series) -> str:
    value = number(row["value"])
    return value if pd.isna(row["low"]) else f"{value} [{number(row['low'])}, {number(row['high'])}]"


def _random(table: pd.DataFrame, ordering: str, share: float, rows: pd.DataFrame) -> str:
    random = table[(table["line"] == "random") & (table["share"] == share)]
    own = random[random["ordering"] == ordering]
    if not len(random):
        return "."
    chance = (own if len(own) else random).iloc[0]
    top = rows.loc["top"]
    if top["damage"] <= chance["damage"]:
        verdict = "no more than the mean random order"
    elif chance["low"] <= top["value"] <= chance["high"]:
        verdict = "more than the mean random order, but no more than the worst of them"
    else:
        verdict = "more than every random order"
    return f"; random orders give {_interval(chance)}, so the top hurts {verdict}."


def curves_by_task(curves: Mapping[tuple[str, str], Curve]) -> dict[tuple[str, str], dict[str, Curve]]:
    """The curves of each model and task: (model, what tells its task from its others) -> ordering -> curve.

    The second is empty for a model with one task, else the metric, and a number where two share it.
    """
    found: dict[tuple[str, str], dict[str, Curve]] = {}
    for model in dict.fromkeys(model for model, _ in curves):
        groups = tasks({ordering: curve for (owner, ordering), curve in curves.items() if owner == model})
        metrics = [next(iter(group.values())).metric for group in groups]
        for at, (group, metric) in enumerate(zip(groups, metrics, strict=True)):
            number = f" {metrics[: at + 1].count(metric)}" if metrics.count(metric) > 1 else ""
            found[model, f"{metric}{number}" if len(groups) > 1 else ""] = group
    return found


def importance_section(
    curves: Mapping[tuple[str, str], Curve], rankings: Mapping[tuple[str, str], Ranking] | None = None
) -> Section:
    """Question 4: what erasing the neurons does to each model's task.

    Args:
        curves: (model, ordering) -> curve; those of one model that share metric and test set are put together.
        rankings: (model, ordering) -> ranking, to say how far the orderings' tops overlap; None to leave it
            out.
    """
    findings: list[str] = []
    blocks: list[Block] = []
    for (model, task), own in curves_by_task(curves).items():
        result = task_importance(own)
        findings += importance_findings(model, result)
        named = f"{model}: {task}" if task else model
        blocks.append(Text((), heading=named))
        caption = f"Computed as: {next(iter(own.values())).signature}"
        blocks.append(Chart(ablation(own, model), slug(f"ablation-{named}"), caption))
        blocks += _importance_tables(result)
    for model in dict.fromkeys(model for model, _ in curves):
        own_rankings = {ordering: r for (owner, ordering), r in (rankings or {}).items() if owner == model}
        blocks += _overlap_tables(model, own_rankings)
    return Section("Do they matter to the task?", [Text(tuple(findings)), *blocks], "importance")


def _importance_tables(result: TaskImportance) -> list[Block]:
    merged = result.summary.merge(result.gaps, on="ordering", how="left")
    merged.loc[merged["line"] != "top", ["top_minus_bottom", "top_minus_random"]] = np.nan
    half = "half the intact value" if result.higher_is_better else "twice the intact value"
    caption = (
        f"Area: mean damage from 0 to {percent(result.until, 0)} erased, as a part of the worst damage "
        "there. "
        f"Half lost: neurons erased until {result.metric} is {half} (a dash where it never is)."
    )
    formats = {"area": ".3f", "half_lost": ",.0f", "half_lost_share": ".1%"}
    formats |= {"top_minus_bottom": "+.3f", "top_minus_random": "+.3f"}
    headings = {
        "line": "erased first",
        "half_lost_share": "of all neurons",
        "top_minus_bottom": "area top − bottom",
    }
    headings["top_minus_random"] = "top − random"
    second = (
        f"{result.metric} with a share of all neurons erased; intact: {number(result.intact)}. In brackets: "
        "95 % "
        "intervals (top, bottom), least and largest random order (random)."
    )
    tables = [Table(merged, caption, formats, headings)]
    return [*tables, Table(_readings(result.at_shares), second)] if len(result.at_shares) else [*tables]


def _readings(at_shares: pd.DataFrame) -> pd.DataFrame:
    """One row an ordering and line, one column a share: the metric with its interval."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for _, point in at_shares.iterrows():
        row = rows.setdefault((point["ordering"], point["line"]), {})
        row[f"{percent(point['share'], 0)} erased"] = _interval(point)
    return pd.DataFrame([{"ordering": o, "erased first": line, **row} for (o, line), row in rows.items()])


def _overlap_tables(model: str, rankings: Mapping[str, Ranking]) -> list[Table]:
    """A table for those rankings of a model that are of the same neurons, where there are two or more."""
    spaces: list[NeuronSpace] = []
    for ranking in rankings.values():
        spaces += [] if ranking.space in spaces else [ranking.space]
    groups = [{name: one for name, one in rankings.items() if one.space == space} for space in spaces]
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


def correlation_section(rankings: Mapping[str, Ranking]) -> Section:
    """How well each model's neurons are found again in its sister models, from cross-model rankings.

    Args:
        rankings: model -> ranking whose scores are correlations between 0 and 1 (maxcorr, mincorr).
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
        chart = Chart(correlation_histogram(scores, what), slug(f"correlation-{what}"))
        formats = {"median": ".2f", "over_half": ".0%"}
        headings = {"over_half": "neurons above 0.5", "constant": "without a score"}
        blocks = [
            chart,
            Table(frame, f"{what}: each neuron's best correlation with another model.", formats, headings),
        ]
        blocks += _universal(rankings)
    else:
        blocks = [Text.of("No neuron has a correlation: all are constant.")]
    return Section("Which neurons do sister models share?", blocks, "correlation")


def _universal(rankings: Mapping[str, Ranking]) -> list[Block]:
    """The first neurons of each ranking that names partners, with them."""
    rows = []
    for name, ranking in rankings.items():
        partner, null = ranking.details.get("partner"), ranking.details.get("null", {})
        if partner is None or "spaces" not in ranking.details:
            continue
        spaces = [NeuronSpace.from_json(space) for space in ranking.details["spaces"]]
        for at in ranking.order[: min(UNIVERSAL, ranking.n_ranked)].tolist():
            model = partner["model"][at]
            row = {
                "model": name,
                "neuron": ranking.space.name(at),
                "partner": spaces[model].name(partner["neuron"][at]),
                "of": _model(ranking, model),
                "correlation": partner["correlation"][at],
            }
            rows.append(row | ({"excess": null["excess"][at], "q": null["q"][at]} if null else {}))
    if not rows:
        return []
    frame = pd.DataFrame(rows)
    formats = {"correlation": ".3f", "excess": ".3f", "q": ".2g"}
    formats = {column: form for column, form in formats.items() if column in frame}
    caption = (
        f"The first {UNIVERSAL} neurons of each model, and the neuron of a sister model that each is most like."
    )
    return [Table(frame, caption, formats), *null_limits(rankings)]


def _model(ranking: Ranking, number: int) -> str:
    """The name of another model of a cross-model ranking."""
    made_from = ranking.provenance.made_by("rank").inputs[1:]
    known = made_from[number].model if number < len(made_from) else None
    return known.id if known is not None else ranking.details["models"][number]
