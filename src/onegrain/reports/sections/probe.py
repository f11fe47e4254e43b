"""Section on the probes: how well they do, how they were regularised, how few neurons they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from onegrain.records.choice import describe_choice
from onegrain.records.leakage import leakage_cautions
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import number, percent

__all__ = ["probe_cautions", "probe_section"]


def _part(ranking: Ranking, name: str) -> Mapping[str, Any]:
    """Return a part of an LCA ranking's evaluation; empty if the record does not have it."""
    part = (ranking.details.get("evaluation") or {}).get(name)
    return part if isinstance(part, Mapping) else {}


def _chosen(ranking: Ranking) -> dict[str, float] | None:
    """Return the lambda1 and lambda2 that were chosen, or None if the details do not say."""
    known = ranking.details
    pair = ("lambda1", "lambda2")
    return {name: known[name] for name in pair} if all(name in known for name in pair) else None


def _f1(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """Return one row per label and one column per ranking: F1 on held-out words, as far as it is known."""
    columns = {}
    for name, ranking in rankings.items():
        labels = _part(ranking, "full").get("labels") or {}
        columns[name] = {label: facts.get("f1") for label, facts in labels.items()}
    frame = pd.DataFrame(columns, dtype=float).dropna(axis="columns", how="all")
    return frame.rename_axis("label").reset_index()


def _range(full: Mapping[str, Any]) -> str | None:
    low, high = full.get("low"), full.get("high")
    return None if low is None or high is None else f"{100 * low:.1f}–{100 * high:.1f}%"


def _row(name: str, ranking: Ranking) -> dict[str, Any]:
    evaluation = ranking.details.get("evaluation") or {}
    full, minimal = _part(ranking, "full"), _part(ranking, "minimal_set")
    control = _part(ranking, "control")
    chosen = _chosen(ranking) or {}
    return {
        "ranking": name,
        "layer": ranking.layer,
        "neurons": ranking.space.size,
        "ranked": ranking.n_ranked,
        "labels": len(ranking.labels),
        "lambda1": chosen.get("lambda1"),
        "lambda2": chosen.get("lambda2"),
        "accuracy": full.get("accuracy"),
        "interval": _range(full),
        "macro_f1": full.get("macro_f1"),
        "majority": evaluation.get("majority"),
        "selectivity": control.get("selectivity", evaluation.get("selectivity")),
        "minimal": minimal.get("neurons"),
    }


HEADINGS = {
    "lambda1": "λ₁",
    "lambda2": "λ₂",
    "interval": "95 % interval",
    "macro_f1": "macro F1",
    "minimal": "minimal set",
}
SHARES = ("accuracy", "macro_f1", "majority", "selectivity")


def probe_cautions(ranking: Ranking) -> list[str]:
    """Return in short what weakens every statement about a probe's neurons; the section says it at length."""
    evaluation = ranking.details.get("evaluation") or {}
    accuracy, majority = _part(ranking, "full").get("accuracy"), evaluation.get("majority")
    leakage = evaluation.get("leakage") or {}
    cautions = []
    if accuracy is not None and majority is not None and accuracy <= majority:
        cautions.append("The probe is no better than the commonest label.")
    if leakage.get("known_sentences"):
        cautions.append(f"{percent(leakage['known_sentences'], 0)} of the tested sentences were trained on.")
    if leakage.get("chosen_on_tested"):
        cautions.append(f"The {leakage.get('what', 'penalties')} were chosen on the tested words.")
    if describe_choice(ranking.details.get("choice")):
        cautions.append("The choice of penalties is not certified.")
    return cautions


def _findings(rankings: Mapping[str, Ranking]) -> list[str]:
    """Return for each probe its accuracy against the majority label, its minimal set, and what flatters it."""
    sentences = []
    known_cautions: list[str] = []
    for name, ranking in rankings.items():
        full, minimal = _part(ranking, "full"), _part(ranking, "minimal_set")
        if "accuracy" in full:
            text = f"{name}: the probe labels {percent(full['accuracy'])} of the words rightly"
        elif full.get("macro_f1") is not None:
            text = f"{name}: the probes of the labels have a mean F1 of {number(full['macro_f1'])}"
        else:
            continue
        majority = (ranking.details.get("evaluation") or {}).get("majority")
        if majority is not None and "accuracy" in full:
            better = "above" if full["accuracy"] > majority else "not above"
            text += f", {better} the {percent(majority)} of always choosing the commonest label"
        if "neurons" in minimal:
            share = percent(minimal["neurons"] / ranking.space.size)
            delta = f"{100 * minimal.get('delta', 0.01):g}"
            text += (
                f"; a new probe on the first {number(minimal['neurons'])} neurons ({share}) comes within "
                f"{delta} {'point' if delta == '1' else 'points'} of it"
            )
        cautions = leakage_cautions((ranking.details.get("evaluation") or {}).get("leakage"))
        uncertified = describe_choice(ranking.details.get("choice"))
        if uncertified:
            cautions = [*cautions, f"{uncertified[0].upper()}{uncertified[1:]}."]
        if cautions and cautions == known_cautions:
            cautions = ["The same cautions apply."]
        else:
            known_cautions = cautions
        sentences.append(" ".join([f"{text}.", *cautions]))
    return sentences


def probe_section(rankings: Mapping[str, Ranking]) -> Section:
    """Return the section on what the probes reach: a table, the penalty grids, accuracy with some neurons kept.

    Args:
        rankings: name -> supervised ranking; charts appear where the details hold their data.
    """
    frame = pd.DataFrame([_row(name, ranking) for name, ranking in rankings.items()])
    frame = frame.dropna(axis="columns", how="all")
    formats = {name: ".1%" for name in SHARES if name in frame}
    formats |= {name: "g" for name in ("lambda1", "lambda2") if name in frame}
    headings = {name: text for name, text in HEADINGS.items() if name in frame}
    caption = "Probes on held-out words."
    if "minimal" in frame:
        caption += (
            " Minimal set: fewest top neurons whose new probe is within delta of the full one, found by "
            "bisection."
        )
    blocks: list[Block] = [Table(frame, caption, formats, headings)]
    scores = _f1(rankings)
    if len(scores):
        forms = dict.fromkeys(scores.columns[1:], ".3f")
        blocks.append(Fold("F1 of every label", [Table(scores, "F1 of every label on held-out words.", forms)]))
    for name, ranking in rankings.items():
        blocks += _charts(name, ranking)
    return Section("What the probes find", blocks, "probes", tuple(_findings(rankings)))


def _charts(name: str, ranking: Ranking) -> list[Block]:
    blocks: list[Block] = []
    grid, evaluation = ranking.details.get("grid"), ranking.details.get("evaluation") or {}
    if grid and len(grid) > 1:
        chart = draw(Ranking, "grid", grid, _chosen(ranking))
        blocks.append(Chart(chart, slug(f"lambda-grid-{name}"), "S weighs localisation against accuracy lost."))
    for kind in ("masking", "retraining"):
        if evaluation.get(kind):
            blocks.append(Chart(draw(Ranking, kind, evaluation, kind), slug(f"{kind}-{name}")))
    return [Text((), heading=name), *blocks] if blocks else []
