"""Tables as accessible HTML: caption, scoped headings, numbers right-aligned and formatted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from onegrain.errors import ParameterError
from onegrain.reports.rendering.numbers import UNKNOWN, number
from onegrain.reports.rendering.templates import render

__all__ = ["table_html"]

NUMBER_TEXT = re.compile(r"[-+−]?[\d.,]+(e[-+]?\d+)?([-–][\d.,]+)? ?%?( \[.*\])?")


def table_html(
    frame: pd.DataFrame,
    caption: str,
    *,
    formats: Mapping[str, str] | None = None,
    headings: Mapping[str, str] | None = None,
    links: Mapping[str, Sequence[str | None]] | None = None,
) -> str:
    """Return an HTML table whose first column heads the rows; None and NaN become a dash.

    Args:
        frame: the rows.
        caption: description of the table.
        formats: column -> format specification; other numbers are shown with three significant digits.
        headings: column -> heading; default the column's name with spaces for underscores.
        links: column -> for each row the anchor in the same page that its cell leads to, or None.

    Raises:
        ParameterError: a format, heading or link for a column that the table does not have.
    """
    options: tuple[Mapping[str, Any], ...] = (formats or {}, headings or {}, links or {})
    for option in options:
        unknown = [name for name in option if name not in frame.columns]
        if unknown:
            raise ParameterError(
                f"no column {', '.join(unknown)}; the columns are: {', '.join(map(str, frame.columns))}"
            )
    forms, names, anchors = formats or {}, headings or {}, links or {}
    columns = [
        {"heading": names.get(name, str(name).replace("_", " ")), "numeric": _numeric(frame[name])}
        for name in frame.columns
    ]
    nowhere: list[str | None] = [None] * len(frame)
    cells = [
        [
            {"text": number(value, forms.get(name)), "anchor": anchor}
            for value, anchor in zip(frame[name].tolist(), anchors.get(name, nowhere), strict=True)
        ]
        for name in frame.columns
    ]
    rows = list(zip(*cells, strict=True))
    return render("table.html.j2", caption=caption, columns=columns, rows=rows)


def _numeric(column: Any) -> bool:
    """Return True if every known value is a number, or text that shows one."""
    values = [value for value in column.tolist() if value is not None and value != UNKNOWN]
    return bool(values) and all(_is_number(value) for value in values)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return NUMBER_TEXT.fullmatch(value) is not None
    return isinstance(value, (int, float)) and not isinstance(value, bool)
