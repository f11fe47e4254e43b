"""Figures of a page: a drawing, the table that says the same in numbers, and the files that both become."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from onegrain.reports.blocks import slug
from onegrain.reports.rendering.drawings import Drawing
from onegrain.reports.rendering.narrow import narrow_spec
from onegrain.reports.rendering.pictures import draw_svg

__all__ = ["Cell", "Figure", "FigureTable", "VegaChart"]

Cell = str | int | float | bool | None


@dataclass(frozen=True)
class FigureTable:
    """The numbers of a figure.

    Attributes:
        columns: the headings.
        rows: one tuple for each row.
        links: for each row the address that its first cell leads to, or an empty text; or none at all.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    links: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, columns: Sequence[str], rows: Iterable[Sequence[Any]], links: Iterable[str] = ()
    ) -> FigureTable:
        """Return a table of rows whose values may also be numpy numbers."""
        return cls(tuple(columns), tuple(tuple(_plain(value) for value in row) for row in rows), tuple(links))

    def csv(self) -> str:
        """Return the table as CSV with headings; a text that a spreadsheet would run gets a quote."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([_safe(column) for column in self.columns])
        writer.writerows([_safe(value) for value in row] for row in self.rows)
        return out.getvalue()


@dataclass(frozen=True)
class VegaChart:
    """A chart for Vega, which the page loads late; its SVG is drawn on the server.

    Attributes:
        spec: the Vega-Lite specification with its data, see ``onegrain.reports.rendering.pictures.chart_spec``.
    """

    spec: dict[str, Any] = field(repr=False)

    @cached_property
    def svg(self) -> str:
        """The chart as an SVG document, drawn on the server."""
        return draw_svg(self.spec)

    @cached_property
    def narrow_svg(self) -> str:
        """The chart for narrow screens as an SVG document, with its panels and legends below each other."""
        return draw_svg(narrow_spec(self.spec))

    @cached_property
    def vega(self) -> dict[str, Any]:
        """The specification that Vega itself reads."""
        import vl_convert

        compiled: dict[str, Any] = vl_convert.vegalite_to_vega(self.spec)
        return compiled


@dataclass(frozen=True)
class Figure:
    """A drawing with its table.

    Attributes:
        name: unique in the page; lower-case letters, digits and dashes.
        title: a short heading.
        drawing: the values that are drawn, or None if the table is the figure.
        table: the same values as a table.
        caption: a sentence that says what is shown, with units.
    """

    name: str
    title: str
    drawing: Drawing | VegaChart | None
    table: FigureTable
    caption: str = ""

    def __post_init__(self) -> None:
        if self.name != slug(self.name):
            raise ValueError(f"figure name {self.name!r}; try {slug(self.name)!r}")


def _plain(value: Any) -> Cell:
    """Return a value as a Python text, number or None."""
    return value.item() if hasattr(value, "item") else value


def _safe(value: Cell) -> Cell:
    """Return a cell of a CSV file that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
