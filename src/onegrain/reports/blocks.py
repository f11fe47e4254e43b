"""What a report is made of: sections of text, tables, charts and text heat maps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from onegrain.analyses.neurons.heat import Heat
from onegrain.errors import ParameterError

__all__ = ["Block", "Chart", "HeatMap", "Section", "Table", "Text", "slug", "told_apart"]


def slug(text: str) -> str:
    """A name for anchors and files: lower case letters, digits and dashes.

    >>> slug("Lambda grid: nlm/en-1")
    'lambda-grid-nlm-en-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


@dataclass(frozen=True)
class Text:
    """Paragraphs of plain text; shown as written, never read as HTML.

    Attributes:
        paragraphs: one string a paragraph.
        heading: a small heading above them, or empty.
    """

    paragraphs: tuple[str, ...]
    heading: str = ""

    @classmethod
    def of(cls, *paragraphs: str, heading: str = "") -> Text:
        """A text of the paragraphs given."""
        return cls(tuple(paragraphs), heading)


@dataclass(frozen=True, eq=False)
class Table:
    """A table with a caption.

    Attributes:
        frame: the rows; the first column names them.
        caption: what the table shows, with units.
        formats: column -> format specification (``.1%``, ``,d``, ...); others by their type.
        headings: column -> heading, where the column's name will not do.
    """

    frame: pd.DataFrame
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart with a caption.

    Attributes:
        chart: an altair chart, whole (with its configuration).
        name: unique in the report; letters, digits and dashes; names the picture's file.
        caption: what to see in it.
    """

    chart: Any
    name: str
    caption: str = ""

    def __post_init__(self) -> None:
        if self.name != slug(self.name):
            raise ParameterError(
                f"chart name {self.name!r} may hold lower-case letters, digits and dashes only; "
                f"try {slug(self.name)!r}"
            )


@dataclass(frozen=True)
class HeatMap:
    """A neuron's values on the words of some sentences, as coloured text."""

    heat: Heat
    caption: str = ""


Block = Text | Table | Chart | HeatMap


@dataclass(frozen=True, eq=False)
class Section:
    """A titled part of a report.

    Attributes:
        title: the heading.
        blocks: what it shows, in order.
        anchor: its id in the page; default made from the title.
    """

    title: str
    blocks: Sequence[Block]
    anchor: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchor", slug(self.anchor or self.title))


def told_apart(sections: Sequence[Section]) -> list[Section]:
    """Return sections whose anchors and names of charts are unique: a repeated one gets a number from 2 on.

    Names that differ only in characters that an anchor cannot have would be the same one.
    """
    anchors, charts = {"main", "provenance"}, set[str]()
    return [
        replace(
            section,
            anchor=_free(section.anchor, anchors),
            blocks=[
                replace(block, name=_free(block.name, charts)) if isinstance(block, Chart) else block
                for block in section.blocks
            ],
        )
        for section in sections
    ]


def _free(name: str, taken: set[str]) -> str:
    """Return a name, or the first of name-2, name-3, ... that is not taken, and take it."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free
