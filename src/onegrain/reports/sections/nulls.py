"""Sentences on the q-values of a null: over what they are corrected, and how small they can be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.records.ranking import Ranking
from onegrain.reports.blocks import Block, Text
from onegrain.reports.rendering.numbers import number

__all__ = ["null_limits"]


def null_limits(rankings: Mapping[str, Ranking]) -> list[Block]:
    """Return one paragraph for each ranking that was held against a null."""
    return [
        Text.of(_limit(name, ranking.details["null"]))
        for name, ranking in rankings.items()
        if "least_q" in ranking.details.get("null", {})
    ]


def _limit(name: str, null: Mapping[str, Any]) -> str:
    """Return what a null's correction covers, and the smallest p and q that its draws can give."""
    p_values, least_p, least_q = null["p"], null["least_p"], null["least_q"]
    tests = sum(p is not None for p in p_values)
    text = (
        f"{name}: q is corrected over {number(tests)} neurons (Benjamini-Hochberg); {number(null['draws'])} "
        f"draws of the {null['kind']} null give no p below {number(least_p, '.2g')}"
    )
    if least_q > SIGNIFICANT:
        needed = math.ceil(least_p * tests / SIGNIFICANT - 1e-9)
        text += (
            f", so q can be {SIGNIFICANT} only where at least {number(needed)} neurons have that p; raise "
            "draws, or pool them (pooled=true)"
        )
    return f"{text}."
