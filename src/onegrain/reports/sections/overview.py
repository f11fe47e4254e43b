"""Section at the head of a report: the models with their training metrics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onegrain.reports.blocks import Block, Fold, Section, Table

__all__ = ["models_section"]


def models_section(
    models: Mapping[str, Mapping[str, Any]], formats: Mapping[str, str] | None = None
) -> Section:
    """Return a table of the models, with one row each and a column for every fact and training metric.

    Args:
        models: model -> its facts (kind, neurons, perplexity, BLEU, ...), by column name.
        formats: column -> format specification.
    """
    frame = pd.DataFrame([{"model": name, **facts} for name, facts in models.items()])
    signatures = [column for column in frame.columns if "signature" in str(column).lower()]
    metrics = frame[_low_before_high([column for column in frame.columns if column not in signatures])]
    known = {column: form for column, form in (formats or {}).items() if column in metrics}
    blocks: list[Block] = [Table(metrics, "Models and their metrics.", known)]
    if signatures:
        written = frame[["model", *signatures]].dropna(subset=signatures, how="all")
        blocks.append(Fold("How the metrics are computed", [Table(written, "Signatures of the metrics.")]))
    return Section("The models", blocks, "models")


def _low_before_high(columns: Sequence[str]) -> list[str]:
    """Return the columns in order, but each lower bound of an interval before its upper bound."""
    ordered = list(columns)
    for low in columns:
        high = re.sub(r"\blow$", "high", str(low))
        if high != low and high in ordered and ordered.index(high) < ordered.index(low):
            ordered.remove(low)
            ordered.insert(ordered.index(high), low)
    return ordered
