"""Blocks, answers and sections of a report as HTML."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import singledispatch
from hashlib import sha256
from typing import Any

from markupsafe import Markup

from onegrain.errors import ParameterError
from onegrain.reports.blocks import Answer, Chart, Fold, HeatMap, Section, Sketch, Table, Text
from onegrain.reports.rendering.drawing import drawing_svg
from onegrain.reports.rendering.heatmap import heatmap_html
from onegrain.reports.rendering.pictures import chart_spec, draw_svg
from onegrain.reports.rendering.svg import drawn_width, inline_svg
from onegrain.reports.rendering.tables import table_html
from onegrain.reports.rendering.templates import render, shown

__all__ = ["answer_html", "block_html", "section_html", "source_hash", "with_colour_rules"]

BROAD = 620
"""A chart wider than this, in pixels, takes the full width of the page; others stand side by side."""
BACKGROUND = re.compile(r' style="background:#([0-9a-f]{6})"')


@singledispatch
def block_html(block: object) -> str:
    """Return a block as HTML.

    Raises:
        ParameterError: the object is not a block.
    """
    raise ParameterError(
        f"a section holds Text, Table, Chart, Sketch, HeatMap and Fold blocks, not {type(block).__name__}"
    )


@block_html.register
def _(block: Text) -> str:
    name = Markup(' id="{}"').format(block.anchor) if block.anchor else ""
    heading = Markup("<h3{}>{}</h3>\n").format(name, shown(block.heading)) if block.heading else ""
    return heading + Markup("\n").join(Markup("<p>{}</p>").format(shown(text)) for text in block.paragraphs)


@block_html.register
def _(block: Table) -> str:
    return table_html(
        block.frame, block.caption, formats=block.formats, headings=block.headings, links=block.links
    )


@block_html.register
def _(block: HeatMap) -> str:
    return heatmap_html(block.heat, block.caption)


@block_html.register
def _(block: Sketch) -> str:
    caption = Markup("<figcaption>{}</figcaption>").format(shown(block.caption)) if block.caption else ""
    return Markup('<figure class="sketch">{}{}</figure>').format(
        drawing_svg(block.drawing, block.caption), caption
    )


@block_html.register
def _(block: Chart) -> str:
    """Return a figure whose title and subtitle are text of the page, where long lines can wrap."""
    spec = chart_spec(block.chart)
    title = spec.pop("title", None) or {}
    title = {"text": title} if isinstance(title, str) else title
    drawing = draw_svg(spec)
    return render(
        "chart.html.j2",
        name=block.name,
        broad=drawn_width(drawing) > BROAD,
        title=_joined(title.get("text", "")),
        notes=[text for text in (_joined(title.get("subtitle", "")), block.caption) if text],
        svg=Markup(inline_svg(drawing, block.name, spec.get("description", block.name))),
    )


@block_html.register
def _(block: Fold) -> str:
    blocks = [Markup(block_html(inner)) for inner in block.blocks]
    return render("fold.html.j2", title=block.title, anchor=block.anchor, blocks=blocks)


def _joined(text: Any) -> str:
    """Return a title of Vega-Lite, which is one string or a list of lines, as one string."""
    return " ".join(text) if isinstance(text, list) else str(text)


def answer_html(section: Section, answer: Answer) -> str:
    """Return the card of the first screen that shows the answer of a section."""
    chart = None
    if answer.chart is not None:
        spec = chart_spec(answer.chart.chart)
        drawing = inline_svg(draw_svg(spec), answer.chart.name, spec.get("description", answer.chart.name))
        chart = {"name": answer.chart.name, "svg": Markup(drawing), "caption": answer.chart.caption}
    return render("answer.html.j2", title=section.title, anchor=section.anchor, answer=answer, chart=chart)


def section_html(section: Section) -> str:
    """Return a section with its heading, findings and blocks."""
    return render(
        "section.html.j2",
        section=section,
        findings=section.findings,
        blocks=[Markup(block_html(block)) for block in section.blocks],
    )


def with_colour_rules(html: str, style: str) -> tuple[str, str]:
    """Return a page and its style sheet, with the colours of style attributes turned into rules of the sheet.

    The page's security policy allows its style sheet by hash and no style attribute.
    """
    rules = [
        f'[data-colour="{colour}"]{{background:#{colour}}}\n'
        for colour in sorted(set(BACKGROUND.findall(html)))
    ]
    return BACKGROUND.sub(r' data-colour="\1"', html), style + "".join(rules)


def source_hash(text: str) -> str:
    """Return the source expression of a Content-Security-Policy that allows exactly one inline text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
