"""The report: one HTML file that opens without a network, and a picture of every chart."""

from __future__ import annotations

import json
import os
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from hashlib import sha256
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

from onegrain.core.output import require_free, whole_file
from onegrain.core.recognition import marked_png
from onegrain.core.text import visible
from onegrain.errors import AlreadyDoneError, OutputExistsError, ParameterError
from onegrain.records.provenance import Provenance, package_version
from onegrain.reports.blocks import Chart, HeatMap, Section, Table, Text
from onegrain.reports.rendering.heatmap import heatmap_html
from onegrain.reports.rendering.svg import inline_svg
from onegrain.reports.rendering.tables import table_html
from onegrain.reports.rendering.templates import lines, render, shown, source

__all__ = ["Report", "chart_png", "chart_spec", "chart_svg"]

IMAGE_SCALE = 2.0
NO_URL: list[str] = []
BACKGROUND = re.compile(r' style="background:#([0-9a-f]{6})"')


def chart_spec(chart: Any) -> dict[str, Any]:
    """Return the Vega-Lite specification of an altair chart, its data inside, however many rows they have.

    Control characters in its texts are escaped: SVG has none, and the renderer would end the process.
    """
    with alt.data_transformers.enable("default", max_rows=None):
        return _visible(chart.to_dict())


def _visible(part: Any) -> Any:
    """Return a part of a specification with the control characters of every text in it escaped."""
    if isinstance(part, str):
        return visible(part)
    if isinstance(part, list):
        return [_visible(item) for item in part]
    if isinstance(part, dict):
        return {_visible(key): _visible(item) for key, item in part.items()}
    return part


def chart_png(chart: Any) -> bytes:
    """A PNG of an altair chart at twice its size, drawn without a network and marked as of onegrain."""
    drawn = vl_convert.vegalite_to_png(chart_spec(chart), scale=IMAGE_SCALE, allowed_base_urls=NO_URL)
    return marked_png(drawn)


def chart_svg(chart: Any) -> str:
    """An SVG of an altair chart, drawn without a network."""
    return vl_convert.vegalite_to_svg(chart_spec(chart), allowed_base_urls=NO_URL)


@singledispatch
def _html(block: object) -> str:
    raise ParameterError(f"a section holds Text, Table, Chart and HeatMap blocks, not {type(block).__name__}")


@_html.register
def _(block: Text) -> str:
    heading = Markup("<h3>{}</h3>\n").format(shown(block.heading)) if block.heading else ""
    return heading + Markup("\n").join(Markup("<p>{}</p>").format(shown(text)) for text in block.paragraphs)


@_html.register
def _(block: Table) -> str:
    return table_html(block.frame, block.caption, formats=block.formats, headings=block.headings)


@_html.register
def _(block: HeatMap) -> str:
    return heatmap_html(block.heat, block.caption)


@_html.register
def _(block: Chart) -> str:
    spec = chart_spec(block.chart)
    drawing = vl_convert.vegalite_to_svg(spec, allowed_base_urls=NO_URL)
    svg = inline_svg(drawing, block.name, spec.get("description", block.name))
    caption = Markup("<figcaption>{}</figcaption>").format(shown(block.caption)) if block.caption else ""
    figure = Markup('<figure><div class="chart" data-chart="{}">').format(block.name)
    return figure + Markup(svg) + Markup("</div>") + caption + Markup("</figure>")


def _with_colour_rules(html: str, style: str) -> tuple[str, str]:
    """Return a block and a style sheet, colours moved from the block's style attributes to rules of the sheet.

    The page's security policy allows its style sheet by hash and no style attribute.
    """
    for colour in sorted(set(BACKGROUND.findall(html))):
        rule = f'[data-colour="{colour}"]{{background:#{colour}}}\n'
        style += rule if rule not in style else ""
    return BACKGROUND.sub(r' data-colour="\1"', html), style


def _source_hash(text: str) -> str:
    """Return the source of a Content-Security-Policy that allows exactly one inline text."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@dataclass(frozen=True, eq=False)
class Report:
    """A titled page of sections, with the provenance of the records at its foot.

    Attributes:
        title: the page's title.
        sections: in order; their anchors are unique.
        provenance: of every record that the report was made from.
    """

    title: str
    sections: Sequence[Section]
    provenance: Sequence[Provenance] = ()

    def __post_init__(self) -> None:
        anchors = [section.anchor for section in self.sections]
        for what, names in (
            ("section anchor", [*anchors, "main", "provenance"]),
            ("chart", self._chart_names()),
        ):
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            if twice:
                raise ParameterError(f"{what} {', '.join(twice)} is used twice; every one needs its own name")

    def _chart_names(self) -> list[str]:
        return [chart.name for chart in self.charts()]

    def charts(self) -> list[Chart]:
        """Every chart, in order."""
        return [block for section in self.sections for block in section.blocks if isinstance(block, Chart)]

    def html(self) -> str:
        """The whole page as one string; it loads nothing from anywhere."""
        style = source("style.css")
        sections = []
        for section in self.sections:
            blocks = []
            for block in section.blocks:
                html = _html(block)
                if isinstance(block, HeatMap):
                    html, style = _with_colour_rules(html, style)
                blocks.append(Markup(html))
            sections.append({"title": section.title, "anchor": section.anchor, "blocks": blocks})
        return render(
            "page.html.j2",
            title=self.title,
            version=package_version(),
            style=Markup(style),
            style_source=Markup(_source_hash(style)),
            sections=sections,
            provenance=[{"title": _name(record), "text": lines(_text(record))} for record in self.provenance],
        )

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        force: bool = False,
        images: str | os.PathLike[str] | None = "charts",
    ) -> list[Path]:
        """Write the page, then a PNG of every chart.

        A run that was cut off can be repeated: files that are there with the same bytes stay as they are.

        Args:
            path: the HTML file.
            force: replace files of an earlier report; what onegrain did not write is never replaced.
            images: folder of the pictures, beside the page unless absolute; None for no pictures.

        Returns:
            Every file of the report, the page first.

        Raises:
            OutputExistsError: a file is there that is not of this report, and ``force`` was not given; then
                nothing is written.
            AlreadyDoneError: the same report is there, whole, and ``force`` was not given.
            StorageError: the disk refused.
        """
        page = Path(path)
        folder = None if images is None else page.parent / images
        pictures = {} if folder is None else {folder / f"{chart.name}.png": chart for chart in self.charts()}
        text = self.html().encode()
        begun = not force and page.is_file() and page.read_bytes() == text
        if not begun:
            existing = [str(out) for out in (page, *pictures) if os.path.lexists(out)]
            if existing and not force:
                raise OutputExistsError(
                    f"{', '.join(existing)} exists already; use --force (force=True) to replace"
                )
            for out in (page, *pictures):
                require_free(out, force=force)
        drawn = {out: chart_png(chart.chart) for out, chart in pictures.items()}
        missing = {out: data for out, data in drawn.items() if not (begun and _holds(out, data))}
        if begun and not missing:
            raise AlreadyDoneError(f"{page} is the same report already; --force (force=True) writes it again")
        for out in missing:
            require_free(out, force=force)
        for out, data in missing.items() if begun else {page: text, **missing}.items():
            with whole_file(out, force=force) as partial:
                partial.write_bytes(data)
        return [page, *pictures]


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _name(record: Provenance) -> str:
    parts = [record.stage]
    parts += [
        str(record.parameters[key]) for key in ("method", "metric", "label") if record.parameters.get(key)
    ]
    owner = next((inner.model for inner in _walk(record) if inner.model is not None), None)
    corpus = next((inner.corpus for inner in _walk(record) if inner.corpus is not None), None)
    parts += [] if owner is None else [owner.id]
    parts += [] if corpus is None else [corpus.source]
    return " · ".join(parts)


def _walk(record: Provenance) -> list[Provenance]:
    return [record, *(found for inner in record.inputs for found in _walk(inner))]


def _text(record: Provenance) -> str:
    return json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
