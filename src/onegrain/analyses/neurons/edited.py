"""The damage of every set of first neurons that an ablation curve measures, beside random neurons."""

from __future__ import annotations

import numpy as np
import pandas as pd

from onegrain.analyses.questions.damage import change_for_the_worse
from onegrain.core.bootstrap import quantile_interval
from onegrain.records.curve import Curve

__all__ = ["damage_by_count", "smallest_set"]

LEVEL = 0.95
COLUMNS = [
    "neurons", "value", "damage", "low", "high", "random", "random_low", "random_high", "random_orders",
]  # fmt: skip


def damage_by_count(curve: Curve) -> pd.DataFrame:
    """Return the damage of every set of first neurons that a curve measures, by rising number of neurons.

    Args:
        curve: a curve with the line ``top``; without it the table is empty.

    Returns:
        One row per number of neurons above 0: ``neurons`` that are edited together; ``value`` of the metric;
        ``damage``, its change for the worse (see ``analyses/questions/damage.py``); ``low`` and ``high``, the
        95 % bootstrap interval of the damage over sentences, paired with the intact model (NaN if the curve has
        no draws); ``random``, the mean damage of as many random neurons (NaN without); ``random_low`` and
        ``random_high``, the least and largest of the random orders; and ``random_orders``, their number (0 if
        the curve does not say).
    """
    top, draws = curve.line("top"), curve.draws_of("top")
    if top.empty:
        return pd.DataFrame(columns=COLUMNS)
    harm = change_for_the_worse(curve, top["value"].to_numpy(np.float64), curve.intact)
    low, high = np.full((2, len(top)), np.nan)
    start = np.flatnonzero(top["neurons"].to_numpy() == 0)
    if draws.shape[1] and start.size:
        with np.errstate(divide="ignore", invalid="ignore"):
            changes = change_for_the_worse(curve, draws, draws[start[0]])
        low, high = quantile_interval(changes.T, LEVEL)
    table = pd.DataFrame(
        {
            "neurons": top["neurons"].to_numpy(np.int64),
            "value": top["value"].to_numpy(np.float64),
            "damage": harm,
            "low": low,
            "high": high,
            **_random(curve, top["neurons"].to_numpy()),
        }
    )
    return table[table["neurons"] > 0].reset_index(drop=True)[COLUMNS]


def smallest_set(table: pd.DataFrame, rank: int) -> pd.Series | None:
    """Return the row of the smallest set of first neurons that holds the neuron of a rank.

    Args:
        table: the sets, see :func:`damage_by_count`.
        rank: the neuron's rank in their order, from 1.

    Returns:
        None if no set reaches the rank.
    """
    reaching = table[table["neurons"] >= rank]
    return reaching.iloc[0] if len(reaching) else None


def _random(curve: Curve, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the damage of random neurons at some counts: the mean of the orders, and its extremes."""
    line = curve.line("random").set_index("neurons").reindex(counts)
    mean, first, second = (
        change_for_the_worse(curve, line[name].to_numpy(np.float64), curve.intact)
        for name in ("value", "low", "high")
    )
    orders = len(curve.details.get("random_values") or [])
    return {
        "random": mean,
        "random_low": np.minimum(first, second),
        "random_high": np.maximum(first, second),
        "random_orders": np.full(len(counts), orders, dtype=np.int64),
    }
