from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from onegrain.errors import ParameterError
from onegrain.reports.rendering.numbers import listed, number, percent
from onegrain.reports.rendering.tables import table_html


class Cells(HTMLParser):
    """The text of every cell, row by row, and the attributes of the headings."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.scopes: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.scopes += [dict(attrs).get("scope")] if tag == "th" else []

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and data.strip():
            self.rows[-1][-1] += data


def test_cells_headings_and_scopes() -> None:
    frame = pd.DataFrame({"label": ["<b>", "x"], "n_words": [12345, 7], "share": [0.5, np.nan]})
    html = table_html(frame, "A & B", formats={"share": ".1%"}, headings={"share": "part"})
    cells = Cells()
    cells.feed(html)
    assert cells.rows == [["label", "n words", "part"], ["<b>", "12,345", "50.0%"], ["x", "7", "–"]]
    assert cells.scopes == ["col", "col", "col", "row", "row"]
    assert "<caption>A &amp; B</caption>" in html
    assert html.count('class="n"') == 6


def test_refuses_a_format_for_no_column() -> None:
    with pytest.raises(ParameterError, match="the columns are: a"):
        table_html(pd.DataFrame({"a": [1]}), "", formats={"b": ".1f"})


def test_numbers() -> None:
    assert [number(v) for v in (True, 1234567, 1234.5, 123.45, 1.2345, np.int64(5000), "x", float("inf"))] == [
        "yes", "1,234,567", "1,234", "123.5", "1.23", "5,000", "x", "inf"
    ]  # fmt: skip
    assert [number(v) for v in (None, np.nan)] == ["–", "–"]
    assert percent(0.5, 0) == "50 %"
    assert [listed(w) for w in ([], ["a"], ["a", "b"])] == ["", "a", "a and b"]
