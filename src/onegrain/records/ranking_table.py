"""The table of a ranking: one row per neuron, best first, as it is shown and saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from onegrain.errors import RecordError
from onegrain.records.space import NeuronSpace

__all__ = ["partner_columns", "ranking_frame", "require_frame", "scores_by_index", "scores_by_label"]


def ranking_frame(
    space: NeuronSpace,
    order: np.ndarray,
    scores: np.ndarray,
    labels: tuple[str, ...],
    tables: Mapping[str, np.ndarray | None],
) -> pd.DataFrame:
    """Return one row per neuron in the order: rank (from 1), neuron, site, unit, score, and tables by label.

    Args:
        space: the neurons.
        order: int64 (neurons,), flat indices, best first.
        scores: float64 (neurons,), by flat index.
        labels: the labels of the tables' rows.
        tables: prefix of the columns -> float64 (labels, neurons) by flat index, or None.
    """
    sites, units = space.columns()
    columns: dict[str, Any] = {
        "rank": np.arange(1, space.size + 1),
        "neuron": order,
        "site": np.array(sites, dtype=object)[order],
        "unit": units[order],
        "score": scores[order],
    }
    for prefix, table in tables.items():
        if table is not None:
            for label, values in zip(labels, table, strict=True):
                columns[f"{prefix}:{label}"] = values[order]
    return pd.DataFrame(columns)


def require_frame(frame: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Raise RecordError if a table that was read contradicts the ranking that was read from it."""
    if list(frame.columns) != list(expected.columns):
        raise RecordError(f"the columns are {list(frame.columns)}; expected {list(expected.columns)}")
    names = ["rank", "site", "unit"]
    if not frame[names].equals(expected[names]):
        raise RecordError(f"the columns {', '.join(names)} contradict the order and the space")


def partner_columns(details: Mapping[str, Any], order: np.ndarray) -> dict[str, list[Any]]:
    """Return the partner of every neuron, the correlation with it and what is known of chance, in the order."""
    partner = details.get("partner")
    if partner is None or "spaces" not in details:
        return {}
    spaces = [NeuronSpace.from_json(space) for space in details["spaces"]]
    names = [
        None if model is None else f"{model + 1}/{spaces[model].name(neuron)}"
        for model, neuron in zip(partner["model"], partner["neuron"], strict=True)
    ]
    null = details.get("null", {})
    columns = {"partner": names, "correlation": partner["correlation"]}
    columns |= {name: null[name] for name in ("excess", "q") if name in null}
    return {name: [values[index] for index in order.tolist()] for name, values in columns.items()}


def scores_by_index(frame: pd.DataFrame, order: np.ndarray, column: str) -> np.ndarray:
    """Return a column (float64) by flat index, of a table in an order."""
    values = np.full(len(order), np.nan)
    values[order] = frame[column].to_numpy(np.float64)
    return values


def scores_by_label(
    frame: pd.DataFrame, order: np.ndarray, prefix: str, labels: tuple[str, ...]
) -> np.ndarray | None:
    """Return float64 (labels, neurons) by flat index, or None where the table has no such columns."""
    if not labels or f"{prefix}:{labels[0]}" not in frame:
        return None
    return np.stack([scores_by_index(frame, order, f"{prefix}:{label}") for label in labels])
