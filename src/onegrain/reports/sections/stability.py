"""Section on stability: how far an order depends on the sentences that it was made from."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from onegrain.records.stability import Stability
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table, Text, slug
from onegrain.reports.charts.registry import draw
from onegrain.reports.rendering.numbers import number, percent

__all__ = ["stability_caution", "stability_section"]

FORMATS = {"jaccard": ".2f", "phi": ".2f", "size": ",.1f"}
HEADINGS = {"phi": "Φ", "size": "mean size"}


def _chosen_k(stability: Stability) -> int:
    """Return the size of top set that sentences are about: 10, or the nearest that was measured."""
    return min(stability.ks, key=lambda k: (abs(k - 10), k))


def stability_caution(stability: Stability) -> str:
    """Return in one short sentence how far the first neurons depend on the sentences."""
    k = _chosen_k(stability)
    phi = float(stability.at("halves").set_index("k").loc[k, "phi"])
    return f"Halves of the sentences agree on the first {k} neurons with Φ = {number(phi, '.2f')} (1: fully)."


def _findings(records: Mapping[str, Stability]) -> list[str]:
    """Return for each record how far two halves of the sentences agree on the first neurons."""
    sentences = []
    for name, stability in records.items():
        k = _chosen_k(stability)
        row = stability.at("halves").set_index("k").loc[k]
        sure = stability.of("bootstrap")
        kept = int((sure[f"top:{k}"] >= stability.level).sum())
        sentences.append(
            f"{name}: two halves of the sentences have {percent(row['jaccard'], 0)} (Jaccard) of "
            f"their first {k} neurons in common (Φ = {number(row['phi'], '.2f')}, corrected for chance); "
            f"{kept} neurons are among the first {k} in {percent(stability.level, 0)} of the bootstrap's draws "
            "or more."
        )
    return sentences


def stability_section(records: Mapping[str, Stability]) -> Section:
    """Return the section on whether other sentences would give the same order.

    Args:
        records: name -> stability.
    """
    blocks: list[Block] = []
    for name, stability in records.items():
        chart = Chart(draw(Stability, "ranks", stability), slug(f"rank-intervals-{name}"))
        blocks += [Text((), heading=name), chart, Fold(f"{name}: top sets compared", _tables(stability))]
    title = "Would other sentences give the same order?"
    return Section(title, blocks, "stability", tuple(_findings(records)))


def _seeds(stability: Stability) -> str:
    """Return what ``seeds`` compares, to follow the other kinds; empty for a method without random steps."""
    return ", and every two seeds on the same sentences (seeds)" if "seeds" in stability.kinds else ""


def _certified(stability: Stability) -> str:
    """Return the largest distance of a probe from its optimum as a sentence; empty without penalties."""
    gaps = [gap for gap in stability.details["largest_gap"].values() if gap is not None]
    return f" The probes' relative duality gaps are at most {number(max(gaps), '.1e')}." if gaps else ""


def _tables(stability: Stability) -> list[Block]:
    interval = f"{percent(stability.level, 0)} range of Φ"
    parts = []
    for kind in stability.kinds:
        rows = stability.at(kind)
        between = [
            f"{number(low, '.2f')} to {number(high, '.2f')}"
            for low, high in zip(rows["low"], rows["high"], strict=True)
        ]
        table = rows.drop(columns=["low", "high"]).assign(**{interval: between})
        parts.append(table.assign(draws=kind)[["draws", "k", "jaccard", "phi", interval, "size"]])
    likeness = "; ".join(
        f"{kind} {number(pair['spearman'], '.2f')} (Spearman), {number(pair['kendall'], '.2f')} (Kendall)"
        for kind, pair in stability.correlations.items()
    )
    caption = (
        "Top sets of k neurons that are ranked, compared between every two draws of sentences (bootstrap), and "
        f"the two halves of a split (halves){_seeds(stability)}. "
        "Φ corrects for chance: 1 for equal sets, 0 for unrelated ones; its range is what more draws of these "
        "same sentences would give, not what another corpus would. Mean rank "
        f"correlation: {likeness}.{_certified(stability)}"
    )
    overall = Table(pd.concat(parts, ignore_index=True), caption, FORMATS, HEADINGS)
    k = _chosen_k(stability)
    rows = []
    for label in stability.labels:
        by_kind = {kind: stability.at(kind, label).set_index("k").loc[k] for kind in stability.kinds}
        rows.append(
            {
                "label": label,
                "size": by_kind["halves"]["size"],
                **{kind: by_kind[kind]["phi"] for kind in stability.kinds},
            }
        )
    if not rows:
        return [overall]
    formats = {"size": ",.1f"} | dict.fromkeys(stability.kinds, ".2f")
    headings = {kind: f"{kind} Φ" for kind in stability.kinds} | {"size": "mean size in halves"}
    return [overall, Table(pd.DataFrame(rows), f"Φ of each label's own first {k}.", formats, headings)]
