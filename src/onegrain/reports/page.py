"""The report: one HTML file that opens without a network, and a picture of every chart."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from onegrain.core.output import require_free, whole_file
from onegrain.errors import OutputExistsError, ParameterError
from onegrain.metrics.registry import metric_title
from onegrain.records.provenance import Provenance, package_version
from onegrain.reports.blocks import Block, Chart, Fold, Section, Table
from onegrain.reports.rendering.html import answer_html, section_html, source_hash, with_colour_rules
from onegrain.reports.rendering.pictures import chart_png
from onegrain.reports.rendering.templates import lines, render, source

__all__ = ["Report"]


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
            ("section anchor", [*anchors, "main", "answers", "contents", "provenance"]),
            ("chart", [chart.name for chart in self.charts()]),
        ):
            repeated = sorted(name for name, count in Counter(names).items() if count > 1)
            if repeated:
                raise ParameterError(
                    f"{what} {', '.join(repeated)} is used twice; every one needs its own name"
                )

    def charts(self) -> list[Chart]:
        """Return every chart, in the order of the page: those of the answers first."""
        answers = [section.answer.chart for section in self.sections if section.answer is not None]
        return [chart for chart in answers if chart is not None] + [
            chart for section in self.sections for chart in section.charts()
        ]

    def html(self) -> str:
        """Return the page as one string; it loads nothing."""
        answers = [
            answer_html(section, section.answer) for section in self.sections if section.answer is not None
        ]
        sections = [section_html(section) for section in self.sections]
        content, style = with_colour_rules("\n".join(sections), source("style.css") + source("drawings.css"))
        script = source("page.js") if any(_is_active(section.blocks) for section in self.sections) else ""
        return render(
            "page.html.j2",
            title=self.title,
            version=package_version(),
            style=Markup(style),
            style_source=Markup(source_hash(style)),
            script=Markup(script),
            script_source=Markup(source_hash(script)) if script else "",
            contents=self.sections,
            answers=Markup("\n".join(answers)),
            sections=Markup(content),
            provenance=[{"title": _name(record), "text": lines(_text(record))} for record in self.provenance],
        )

    def write(
        self,
        path: str | os.PathLike[str],
        *,
        force: bool = False,
        images: str | os.PathLike[str] | None = "charts",
        on_repeat: Callable[[], None] | None = None,
    ) -> list[Path]:
        """Write the page, then a PNG of every chart.

        A run that was cut off can be repeated: files that already have the right bytes stay as they are.

        Args:
            path: the HTML file.
            force: replace files of an earlier report; what onegrain did not write is never replaced.
            images: folder of the pictures, relative to the page's folder unless absolute; None for no pictures.
            on_repeat: called if the same report exists already and is complete, so that nothing is written.

        Returns:
            Every file of the report, the page first.

        Raises:
            OutputExistsError: a file of another report exists and ``force`` was not given; nothing is written.
            StorageError: the disk refused to write.
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
        if begun and not missing and on_repeat is not None:
            on_repeat()
        for out in missing:
            require_free(out, force=force)
        for out, data in missing.items() if begun else {page: text, **missing}.items():
            with whole_file(out, force=force) as partial:
                partial.write_bytes(data)
        return [page, *pictures]


def _is_active(blocks: Sequence[Block]) -> bool:
    """Return True if blocks have something for the page's script to do: rows to sort, or a fold to open."""
    return any(
        (isinstance(block, Table) and len(block.frame) > 1)
        or (isinstance(block, Fold) and (block.anchor != "" or _is_active(block.blocks)))
        for block in blocks
    )


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def _name(record: Provenance) -> str:
    """Return a short title for a record: what made it, of which model, on which corpus."""
    parts = [record.stage]
    known = (record.parameters.get(key) for key in ("method", "metric", "label"))
    names = [str(value.get("name") if isinstance(value, Mapping) else value) for value in known if value]
    parts += [metric_title(name) for name in names]
    owner = next((inner.model for inner in _walk(record) if inner.model is not None), None)
    corpus = next((inner.corpus for inner in _walk(record) if inner.corpus is not None), None)
    parts += [] if owner is None else [owner.id]
    parts += [] if corpus is None else [corpus.source]
    return " · ".join(parts)


def _walk(record: Provenance) -> list[Provenance]:
    """Return a provenance and all that it was made from, outermost first."""
    return [record, *(deeper for inner in record.inputs for deeper in _walk(inner))]


def _text(record: Provenance) -> str:
    return json.dumps(record.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
