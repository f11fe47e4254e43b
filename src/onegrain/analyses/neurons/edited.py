"""What an ablation curve says of one neuron: the smallest measured set of first neurons that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onegrain.analyses.questions.damage import change_for_the_worse, damage_unit
from onegrain.core.bootstrap import quantile_interval
from onegrain.records.curve import Curve

__all__ = ["EditedSet", "damage_by_count", "smallest_set"]

LEVEL = 0.95
COLUMNS = [
    "neurons", "value", "damage", "low", "high", "random", "random_low", "random_high", "random_orders",
]  # fmt: skip


@dataclass(frozen=True)
class EditedSet:
    """The damage of editing the first neurons of a ranking, beside random neurons.

    Attributes:
        neurons: number of first neurons that are edited together.
        value: the metric with them edited.
        damage: change of the metric for the worse, see ``analyses/questions/damage.py``.
        low, high: 95 % bootstrap interval of the damage over sentences, paired with the intact model; NaN if
            the curve has no draws.
        random: mean damage of as many random neurons; NaN if the curve has none.
        random_low, random_high: the least and the largest of the random orders.
        random_orders: number of random orders; 0 if the curve does not say.
        unit: unit of the damage.
    """

    neurons: int
    value: float
    damage: float
    low: float
    high: float
    random: float
    random_low: float
    random_high: float
    random_orders: int
    unit: str


def damage_by_count(curve: Curve) -> pd.DataFrame:
    """Return the damage of every set of first neurons that a curve measures, by rising number of neurons.

    Args:
        curve: a curve with the line ``top``; without it the table is empty.

    Returns:
        One row per number of neurons above 0, with the columns of :class:`EditedSet` except ``unit``.
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


def smallest_set(curve: Curve, rank: int) -> EditedSet | None:
    """Return the damage of the smallest measured set of first neurons that holds the neuron of a rank.

    Args:
        curve: the ablation curve of the ranking's order.
        rank: the neuron's rank in that order, from 1.

    Returns:
        None if no set of the curve reaches the rank.
    """
    table = damage_by_count(curve)
    reaching = table[table["neurons"] >= rank]
    if reaching.empty:
        return None
    row: dict[str, Any] = {str(name): float(value) for name, value in reaching.iloc[0].items()}
    row |= {name: int(row[name]) for name in ("neurons", "random_orders")}
    return EditedSet(**row, unit=damage_unit(curve.metric, curve.higher_is_better))


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
