"""Fields of a record's header, each checked to be of its type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from onegrain.errors import RecordError

__all__ = ["header_field", "require_integers", "require_numbers", "require_values", "texts"]

NAMES = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
LONGEST = 60


def header_field(header: Mapping[str, Any], key: str, *types: type) -> Any:
    """Return a field of a header, which must be of one of the types; a whole number is a number, too.

    Raises:
        RecordError: the field is missing or of another type.

    >>> header_field({"level": 1}, "level", float)
    1
    """
    if key not in header:
        raise RecordError(f"the header has no {key!r}")
    value = header[key]
    allowed = (*types, int) if float in types else types
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in types):
        expected = " or ".join(NAMES.get(kind, kind.__name__) for kind in types)
        raise RecordError(f"{key!r} is {_brief(value)}; expected {expected}")
    return value


def texts(header: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a field that is a list of different texts."""
    values = header_field(header, key, list)
    if not all(isinstance(value, str) for value in values) or len(set(values)) < len(values):
        raise RecordError(f"{key!r} is {_brief(values)}; expected different texts")
    return tuple(values)


def require_numbers(what: str, frame: pd.DataFrame, *columns: str) -> None:
    """Raise RecordError unless each of a table's columns holds numbers; NaN is allowed."""
    for name in columns:
        if frame[name].dtype.kind not in "iuf":
            raise RecordError(f"{what}: column {name!r} holds {frame[name].dtype}, expected numbers")


def require_integers(what: str, values: pd.Series | np.ndarray, low: int, high: int) -> None:
    """Raise RecordError unless every value is a whole number from ``low`` to ``high``."""
    array = np.asarray(values)
    if array.size and (array.dtype.kind not in "iu" or array.min() < low or array.max() > high):
        raise RecordError(f"{what} are not all whole numbers from {low} to {high}")


def require_values(what: str, values: pd.Series, allowed: tuple[Any, ...]) -> None:
    """Raise RecordError unless every value is one of those allowed; None stands for a missing one."""
    foreign = [value for value in values.unique() if (None if pd.isna(value) else value) not in allowed]
    if foreign:
        raise RecordError(f"{what} has {_brief(foreign[0])}; expected {', '.join(map(str, allowed))}")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
