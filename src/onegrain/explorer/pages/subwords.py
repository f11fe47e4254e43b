"""A subword with its log-probability before and after an edit."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onegrain.reports.rendering.levels import level

__all__ = ["Subword"]

STRONGEST = 5.0
"""Change of a log-probability, in nats, at which the colour of a subword is strongest."""


@dataclass(frozen=True)
class Subword:
    """A subword that a model writes or fills in.

    Attributes:
        text: the subword.
        before, after: its log-probability before and after the edit, in nats.
        change: the difference; NaN if one of them is infinite.
        level: the change on the diverging scale of colours.
    """

    text: str
    before: float
    after: float
    change: float
    level: int | None

    @classmethod
    def of(cls, text: str, before: float, after: float) -> Subword:
        """Return a subword with the change of its log-probability."""
        change = after - before if math.isfinite(after - before) else math.nan
        return cls(text, before, after, change, level(change, STRONGEST))
