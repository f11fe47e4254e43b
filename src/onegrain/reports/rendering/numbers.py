"""Numbers as readers want them: percentages, thousands separators, a dash for what is unknown."""

from __future__ import annotations

import math
import numbers
from typing import Any

__all__ = ["UNKNOWN", "bracketed", "listed", "number", "percent"]

UNKNOWN = "–"


def _missing(value: Any) -> bool:
    if isinstance(value, float):  # by far the most frequent, and the abstract class below is slow to ask
        return value != value
    return value is None or (isinstance(value, numbers.Real) and math.isnan(float(value)))


def number(value: Any, form: str | None = None) -> str:
    """Return a value as text, by the format ``form`` or else by its type; a dash for None and NaN.

    >>> number(12345), number(0.012345), number(None), number(0.5, ".0%")
    ('12,345', '0.0123', '–', '50%')
    """
    if _missing(value):
        return UNKNOWN
    if isinstance(value, str) or not isinstance(value, (float, numbers.Real)):
        return str(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if form is not None:
        return format(value, form)
    if isinstance(value, numbers.Integral):
        return format(int(value), ",")
    size = abs(float(value))
    if math.isinf(size):
        return str(value)
    if size >= 100:
        return format(value, ",.0f") if size >= 1000 else format(value, ".1f")
    return format(value, ".3g")


def percent(value: Any, digits: int = 1) -> str:
    """Return a share as a percentage; a dash for None and NaN.

    >>> percent(0.1234), percent(float("nan"))
    ('12.3 %', '–')
    """
    return UNKNOWN if _missing(value) else f"{100 * float(value):.{digits}f} %"


def bracketed(low: float, high: float, form: str | None = None) -> str:
    """Return the bounds of an interval in brackets.

    >>> bracketed(1.0, 2.5), bracketed(-0.5, 0.25, "+.2f")
    ('[1, 2.5]', '[-0.50, +0.25]')
    """
    return f"[{number(low, form)}, {number(high, form)}]"


def listed(words: list[str]) -> str:
    """Return words joined by commas and *and*.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
