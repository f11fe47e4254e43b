"""The view of an object in a terminal and in a notebook: its facts and the first rows of its table."""

from __future__ import annotations

import html
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from onegrain.core.text import visible
from onegrain.errors import OnegrainError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Described", "fact_text", "html_table"]

REPR_LENGTH = 100
HTML_LENGTH = 400
HTML_ROWS = 10
DIGITS = 4


class Described:
    """A record that prints a few lines of facts, and in a notebook a small HTML table.

    A subclass defines :meth:`summary`, and :meth:`tables` if it has rows. The command line's ``show`` and
    ``--json`` print these and nothing else.
    """

    def summary(self) -> dict[str, Any]:
        """Return the record's facts by name: text, numbers, None, and lists of them."""
        raise NotImplementedError

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables that readers want to see, by name, the most important first."""
        return {}

    def _first_rows(self, rows: int) -> tuple[pd.DataFrame, int] | None:
        """Return the first rows of the first table and the number of all its rows; None without a table."""
        for table in self.tables().values():
            return table.head(rows), len(table)
        return None

    def _known_facts(self) -> dict[str, Any]:
        """Return the summary, or a sentence in its place if details are missing: printing never fails."""
        try:
            return self.summary()
        except (OnegrainError, KeyError, TypeError, AttributeError, ValueError):
            return {"summary": "not available, because details are missing or of another form"}

    def __repr__(self) -> str:
        facts = {name: value for name, value in self._known_facts().items() if name != "record"}
        lines = [f"  {visible(name)}: {fact_text(value, REPR_LENGTH)}" for name, value in facts.items()]
        return "\n".join([type(self).__name__, *lines])

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the facts, then the first rows of the table."""
        page = html_table([list(item) for item in self._known_facts().items()])
        preview = self._first_rows(HTML_ROWS)
        if preview is None:
            return page
        frame, size = preview
        page += html_table(frame.itertuples(index=False, name=None), [str(name) for name in frame.columns])
        rest = size - len(frame)
        return page + (f"<p>{rest:,} more rows</p>" if rest > 0 else "")


def html_table(rows: Any, header: list[str] | None = None) -> str:
    """Return an HTML table in which every cell is escaped, shortened and without control characters.

    Args:
        rows: an iterable of rows, each an iterable of values.
        header: the names of the columns. Without it, the first cell of each row is a heading.

    >>> html_table([["label", "<b>"]])
    '<table><tbody><tr><th>label</th><td>&lt;b&gt;</td></tr></tbody></table>'
    """
    head = "" if header is None else f"<thead><tr>{''.join(_cell(name, 'th') for name in header)}</tr></thead>"
    body = []
    for row in rows:
        tags = ["td" if header is not None or number else "th" for number in range(len(row))]
        body.append(f"<tr>{''.join(_cell(value, tag) for value, tag in zip(row, tags, strict=True))}</tr>")
    return f"<table>{head}<tbody>{''.join(body)}</tbody></table>"


def _cell(value: Any, tag: str) -> str:
    return f"<{tag}>{html.escape(fact_text(value, HTML_LENGTH))}</{tag}>"


def fact_text(value: Any, length: int | None = None) -> str:
    """Return a value as one line of text: rounded numbers, lists joined by commas, nothing for None and NaN.

    Args:
        value: text, a number, None, or a list or mapping of them.
        length: the largest number of characters; the text is cut there and ends in ``...``.

    >>> fact_text(["NOUN", "VERB"]), fact_text(0.123456), fact_text("abcdefgh", 6)
    ('NOUN, VERB', '0.1235', 'abc...')
    """
    text = visible(_plain_text(value))
    return text if length is None or len(text) <= length else f"{text[: length - 3]}..."


def _plain_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | bool):
        return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} ({_plain_text(item)})" for name, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain_text, value))
    if isinstance(value, Real) and not isinstance(value, Integral):
        number = float(value)
        return "" if number != number else f"{number:.{DIGITS}g}"
    return str(value)
