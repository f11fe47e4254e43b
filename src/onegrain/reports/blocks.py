"""The parts of a report: text, tables, charts and heat maps in sections, and the answers on top."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from onegrain.analyses.neurons.heat import Heat
from onegrain.errors import ParameterError
from onegrain.reports.rendering.drawings import Drawing

__all__ = [
    "Answer",
    "Block",
    "Chart",
    "Fold",
    "HeatMap",
    "Section",
    "Sketch",
    "Table",
    "Text",
    "charts_in",
    "slug",
    "with_unique_names",
]


def slug(text: str) -> str:
    """Return a name for anchors and files, made of lower-case letters, digits and dashes.

    >>> slug("Lambda grid: nlm/en-1")
    'lambda-grid-nlm-en-1'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"


@dataclass(frozen=True)
class Text:
    """Paragraphs of plain text, shown as written and never read as HTML.

    Attributes:
        paragraphs: one string per paragraph.
        heading: a small heading above them, or empty.
        anchor: the id of the heading in the page, if something links to it.
    """

    paragraphs: tuple[str, ...]
    heading: str = ""
    anchor: str = ""

    @classmethod
    def of(cls, *paragraphs: str, heading: str = "") -> Text:
        """Return a text of these paragraphs."""
        return cls(tuple(paragraphs), heading)


@dataclass(frozen=True, eq=False)
class Table:
    """A table with a caption.

    Attributes:
        frame: the rows; the first column names them.
        caption: description of the table, with units.
        formats: column -> format specification (``.1%``, ``,d``, ...); others by their type.
        headings: column -> heading, for columns whose name is not a good heading.
        links: column -> for each row the anchor in the page that its cell leads to, or None.
    """

    frame: pd.DataFrame
    caption: str
    formats: Mapping[str, str] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, Sequence[str | None]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart with a caption.

    Attributes:
        chart: a complete altair chart, with its configuration.
        name: unique in the report; lower-case letters, digits and dashes; also the name of the picture's file.
        caption: description of what the reader should see in it.
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
class Sketch:
    """A small drawing that needs no library, such as a histogram.

    Attributes:
        drawing: the values.
        caption: description of what is drawn, with units.
    """

    drawing: Drawing
    caption: str


@dataclass(frozen=True)
class HeatMap:
    """A neuron's values on the words of some sentences, as coloured text."""

    heat: Heat
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Fold:
    """Blocks that the page shows when the reader opens them.

    Attributes:
        title: the line that is always visible.
        blocks: contents of the fold.
        anchor: the id of the fold in the page, if something links to it.
    """

    title: str
    blocks: Sequence[Block]
    anchor: str = ""


Block = Text | Table | Chart | Sketch | HeatMap | Fold


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one of the four questions, as the first screen shows it.

    Attributes:
        verdict: one sentence.
        value: the number that is set large; empty if the records give none.
        unit: unit that the number counts.
        interval: the interval of the number, with its level; empty if it has none.
        chart: a small chart without explanation, or None.
        cautions: reasons to doubt the verdict, one sentence each.
    """

    verdict: str
    value: str = ""
    unit: str = ""
    interval: str = ""
    chart: Chart | None = None
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Section:
    """A titled part of a report.

    Attributes:
        title: the heading.
        blocks: contents of the section after its findings, in order.
        anchor: its id in the page; by default made from the title.
        findings: results of the section's analyses, one sentence or short paragraph each.
        answer: the section's part of the first screen, if it answers one of the four questions.
    """

    title: str
    blocks: Sequence[Block]
    anchor: str = ""
    findings: tuple[str, ...] = ()
    answer: Answer | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "anchor", slug(self.anchor or self.title))

    def charts(self) -> list[Chart]:
        """Return the charts of the section's blocks, in order, without the small chart of its answer."""
        return list(charts_in(self.blocks))


def charts_in(blocks: Sequence[Block]) -> Iterator[Chart]:
    """Yield the charts among blocks, those inside folds too."""
    for block in blocks:
        if isinstance(block, Chart):
            yield block
        elif isinstance(block, Fold):
            yield from charts_in(block.blocks)


def with_unique_names(sections: Sequence[Section]) -> list[Section]:
    """Return the sections with unique anchors and chart names; a repeated name gets a number, from 2 on.

    Two titles that differ only in characters that an anchor cannot have would otherwise share one anchor.
    """
    anchors, charts = {"main", "answers", "contents", "provenance"}, set[str]()

    def renamed(block: Block) -> Block:
        if isinstance(block, Chart):
            return replace(block, name=_free(block.name, charts))
        if isinstance(block, Fold):
            return replace(block, blocks=[renamed(inner) for inner in block.blocks])
        return block

    def answered(answer: Answer | None) -> Answer | None:
        if answer is None or answer.chart is None:
            return answer
        return replace(answer, chart=replace(answer.chart, name=_free(answer.chart.name, charts)))

    return [
        replace(
            section,
            anchor=_free(section.anchor, anchors),
            blocks=[renamed(block) for block in section.blocks],
            answer=answered(section.answer),
        )
        for section in sections
    ]


def _free(name: str, taken: set[str]) -> str:
    """Return a name, or the first of name-2, name-3, ... that is not taken, and mark it as taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    taken.add(free)
    return free
