"""The sentence that sums up an ablation curve on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onegrain.records.curve import Curve

__all__ = ["verdict"]


def verdict(curve: Curve) -> str:
    """Return one sentence on what erasing the top neurons does, against the random orders or the bottom.

    The comparison is at the first number of erased neurons where both lines have a measurement; the intervals
    of the two lines decide whether they differ.
    """
    lines = set(curve.points["line"])
    reference = next((line for line in ("random", "bottom") if line in lines), None)
    if "top" not in lines or reference is None:
        return "No verdict: it needs the top line, and a random or bottom line."
    pairs = curve.line("top").merge(curve.line(reference), on="erased", suffixes=("", "_reference"))
    pairs = pairs[pairs["erased"] > 0]
    if pairs.empty:
        return f"No verdict: the top and {reference} lines share no number of erased neurons."
    row = pairs.iloc[0]
    name = "random" if reference == "random" else "bottom"
    erased = f"Erasing {int(row['erased']):,} neurons"
    if row[["low", "high", "low_reference", "high_reference"]].isna().any():
        return f"No verdict at {int(row['erased']):,} erased neurons: an interval is missing."
    if row["low"] <= row["high_reference"] and row["low_reference"] <= row["high"]:
        return f"{erased}: top and {name} neurons cannot be told apart; their intervals overlap."
    worse = (row["value"] < row["value_reference"]) == curve.higher_is_better
    effect = "more" if worse else "less"
    return f"{erased}: the top neurons cost {effect} than the {name} ones; their intervals do not overlap."
