"""The diverging scale of colours: levels from -20 to 20, and their rules in style sheets."""

from __future__ import annotations

import math

from onegrain.reports.rendering.heatmap import colour

__all__ = ["STEPS", "level", "level_colour", "level_rules"]

STEPS = 20
"""Levels of the diverging scale on each side of zero."""


def level(value: float, limit: float) -> int | None:
    """Return the level of a value on the diverging scale, from -20 to 20; None for NaN.

    >>> level(1.5, 3.0), level(-9.0, 3.0)
    (10, -20)
    """
    if not math.isfinite(value) or limit <= 0:
        return None
    return round(STEPS * max(-1.0, min(1.0, value / limit)))


def level_colour(value: float, limit: float) -> str:
    """Return the colour of a value on the light page as a hexadecimal RGB text."""
    parts = colour(value, limit)
    return "none" if parts is None else "#{:02x}{:02x}{:02x}".format(*parts)


def level_rules() -> str:
    """Return the rules of the style sheet for the levels of the diverging scale, for text and for drawings."""
    rules = []
    for step in range(-STEPS, STEPS + 1):
        if step:
            side, share = ("high" if step > 0 else "low"), round(100 * abs(step) / STEPS)
            mixed = f"color-mix(in srgb,var(--{side}) calc({share}%*var(--depth)),var(--page))"
            rules.append(f'[data-level="{step}"]{{background:{mixed};fill:{mixed}}}')
    return "\n".join(rules)
