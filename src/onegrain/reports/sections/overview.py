"""Sections at the head of a report: the findings in sentences, and the models with their training metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onegrain.reports.blocks import Section, Table, Text

__all__ = ["models_section", "summary_section"]


def summary_section(findings: Sequence[str], introduction: str = "") -> Section:
    """The findings as sentences, one a paragraph.

    Args:
        findings: what the ``*_findings`` functions returned, in the order to read.
        introduction: a paragraph before them, or empty.
    """
    return Section("Summary", [Text(tuple(text for text in (introduction, *findings) if text))], "summary")


def models_section(
    models: Mapping[str, Mapping[str, Any]], formats: Mapping[str, str] | None = None
) -> Section:
    """A table of the models: one row each, whatever facts and training metrics are given.

    Args:
        models: model -> its facts (kind, neurons, perplexity, BLEU, ...), by column name.
        formats: column -> format specification.
    """
    frame = pd.DataFrame([{"model": name, **facts} for name, facts in models.items()])
    return Section("The models", [Table(frame, "Models and their metrics.", formats or {})], "models")
