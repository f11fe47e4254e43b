"""The rules by which values of lists, arrays and tables become words and labels."""

from __future__ import annotations

import re
from datetime import date, time
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from numbers import Number
from typing import Any

import numpy as np

__all__ = ["is_missing", "label_text", "word_text"]

_HALF_PAIR = re.compile("[\ud800-\udfff]")


def label_text(value: Any) -> str | None:
    """Return a label as text, or None if it is missing.

    Text stays as it is. None, NaN, pandas' NA and NaT, and empty text are missing. A whole number is written
    without a fraction (``1``, also where a table made ``1.0`` of it), another number as Python writes it, a
    truth value as ``True`` or ``False``. A member of an enumeration is its value where that is text, else its
    name.

    Raises:
        ValueError: the value is not a scalar, or is text that UTF-8 cannot write; the message describes it.

    >>> [label_text(value) for value in ("NN", 1, 1.0, 0.5, True, None, float("nan"))]
    ['NN', '1', '1', '0.5', 'True', None, None]
    """
    if is_missing(value):
        return None
    if isinstance(value, Enum):
        value = value.value if isinstance(value.value, str) else value.name
    if isinstance(value, np.generic) and not isinstance(value, np.str_ | np.floating):
        value = value.item()
    if isinstance(value, str):
        return _encodable(str(value)) or None
    if isinstance(value, float | np.floating):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else str(value)
    if isinstance(value, Number | Decimal | Fraction | date | time):
        try:
            return str(value)
        except ValueError as fault:
            raise ValueError(f"a number too long for a label: {fault}") from fault
    raise ValueError(f"{_described(value)}, not a label: text, a number, a truth value, or None for none")


def word_text(value: Any) -> str:
    """Return a word as text.

    Raises:
        ValueError: the value is not text (numbers and missing values are not), or UTF-8 cannot write it.

    >>> word_text("dog")
    'dog'
    """
    if isinstance(value, str):
        return _encodable(str(value))
    if is_missing(value):
        raise ValueError("a missing value, not a word; pandas reads NA as one without keep_default_na=False")
    raise ValueError(f"{_described(value)}, not a word; a word is text")


def is_missing(value: Any) -> bool:
    """Return True for None, NaN, and pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return isinstance(value, float | np.floating | Decimal) and value != value


def _encodable(text: str) -> str:
    if _HALF_PAIR.search(text):
        raise ValueError(f"{text!a} holds half of a surrogate pair, which UTF-8 cannot write")
    return text


def _described(value: Any) -> str:
    try:
        shown = repr(value)
    except Exception:  # an object's own repr may do anything
        shown = "a value"
    return f"{shown if len(shown) <= 40 else shown[:37] + '...'} ({type(value).__name__})"
