"""Section on question 3: how models differ, e.g. a translation and a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from onegrain.analyses.questions.contrast import Contrast, contrast
from onegrain.core.bootstrap import bootstrap_interval
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Answer, Block, Chart, Section, Table, slug
from onegrain.reports.charts import small_contrast
from onegrain.reports.charts.registry import CHARTS
from onegrain.reports.rendering.numbers import bracketed, number, percent

__all__ = ["contrast_section"]

TITLE = "The models side by side"
COMPARABLE = (
    "Penalties alone change how many neurons a probe spreads a label over, so the numbers of these models do "
    "not stand side by side; to compare them, rank every model with the same lambda1 and lambda2 "
    "(onegrain rank --set, or parameters in a study)."
)
"""The text of a section whose probes have different penalties."""

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


def contrast_section(
    rankings: Mapping[str, Ranking], k: int | None = None, cautions: Mapping[str, Sequence[str]] | None = None
) -> Section:
    """Return the section that gives the same numbers of each model, on the labels that all of them have.

    Models stand side by side only if their probes have the same penalties; otherwise the section says how to
    make them comparable.

    Args:
        rankings: model -> its ranking with label scores, all of one label layer.
        k: neurons in a top set; default for each model the larger of 10 and 1 %.
        cautions: model -> what weakens statements about its probe.
    """
    result = contrast(rankings, k)
    if not _equal_penalties(result):
        return Section(TITLE, [], "contrast", (COMPARABLE,), _not_compared(result, cautions or {}))
    left_out = [f"{name} (without {', '.join(labels)})" for name, labels in result.dropped.items() if labels]
    findings = _findings(result)
    if left_out:
        findings.append(f"Compared on the labels that all models have: {'; '.join(left_out)}.")
    caption = "Means over the common labels; accuracy and minimal set are of the probe on all its own labels."
    blocks: list[Block] = [Table(_measures(result.summary), caption)]
    layer = next(iter(rankings.values())).layer
    name = f"{layer}-{'-'.join(rankings)}"
    blocks += [
        Chart(chart.of(result), slug(f"contrast-{of}-{name}"))
        for of, chart in CHARTS[Contrast].items()
        if chart.has(result)
    ]
    answer = _answer(result, cautions or {})
    return Section(TITLE, blocks, "contrast", tuple(findings), answer)


def _widest_and_narrowest(result: Contrast) -> tuple[str, str, pd.DataFrame] | None:
    """Return the models that spread a label over most and least of their neurons, and the shares by label.

    None where a model has no weight.
    """
    by_model = result.summary.set_index("model")["effective_share"].sort_values(ascending=False, kind="stable")
    if by_model.isna().any():
        return None
    shares = result.by_label.pivot(index="label", columns="model", values="effective_share").dropna()
    return str(by_model.index[0]), str(by_model.index[-1]), shares


def _equal_penalties(result: Contrast) -> bool:
    return len(result.summary[["lambda1", "lambda2"]].drop_duplicates()) == 1


def _findings(result: Contrast) -> list[str]:
    """Return which model spreads the labels over more of its neurons, and for how many labels."""
    extremes = _widest_and_narrowest(result)
    if extremes is None:
        return []
    wide, narrow, shares = extremes
    mean = result.summary.set_index("model")["effective_share"]
    wins = int((shares[wide] > shares[narrow]).sum())
    return [
        f"On {len(result.labels)} common labels, {wide} spreads a label over an effective "
        f"{percent(mean[wide])} of its neurons on average, {narrow} over {percent(mean[narrow])}; {wide} is "
        f"the more distributed of the two for {wins} of {len(shares)} labels."
    ]


def _not_compared(result: Contrast, cautions: Mapping[str, Sequence[str]]) -> Answer:
    """Return that the models are not compared, with the penalties of each."""
    pairs = "; ".join(
        f"{row.model} at λ₁ = {number(row.lambda1, 'g')}, λ₂ = {number(row.lambda2, 'g')}"
        for row in result.summary.itertuples()
    )
    verdict = f"The models cannot be compared, because their probes have different penalties: {pairs}."
    return Answer(verdict, cautions=_by_model(cautions))


def _by_model(cautions: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the cautions of all models, each after the model's name."""
    return tuple(f"{model}: {line}" for model, lines in cautions.items() for line in lines)


def _answer(result: Contrast, cautions: Mapping[str, Sequence[str]]) -> Answer | None:
    """Return the difference in effective shares with its paired interval over labels."""
    extremes = _widest_and_narrowest(result)
    if extremes is None:
        return None
    wide, narrow, shares = extremes
    difference = (shares[wide] - shares[narrow]).to_numpy()
    if not len(difference):
        return None
    low, high = bootstrap_interval(difference)
    verdict = (
        f"{wide} spreads a label over more of its neurons than {narrow}"
        if low > 0
        else f"{wide} and {narrow} spread a label over the same share of their neurons, within the interval"
    )
    return Answer(
        f"{verdict}.",
        number(100 * difference.mean(), "+.1f"),
        f"percentage points of its neurons per label, {wide} less {narrow}",
        f"{bracketed(100 * low, 100 * high, '+.1f')} 95 % over {len(difference)} labels",
        Chart(
            small_contrast(result),
            "answer-contrast",
            "effective share of neurons; a tick per label, a point at the mean",
        ),
        _by_model(cautions),
    )


def _measures(summary: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each measure that any model has, and one column per model, as text."""
    rows = []
    for name, (heading, form) in MEASURES.items():
        values = [None if pd.isna(value) else value for value in summary[name].tolist()]
        if any(value is not None for value in values):
            cells = [number(value, form) for value in values]
            rows.append({"measure": heading, **dict(zip(summary["model"], cells, strict=True))})
    return pd.DataFrame(rows)
