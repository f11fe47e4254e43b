"""Small charts as inline SVG, drawn by the macros of ``templates/drawings.html.j2``.

They need no library and no script, take their colours from the page's style sheet, and stand in reports and
in the explorer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from onegrain.reports.rendering.drawings import Bars, Drawing, Histogram, Intervals, Matrix, Sparkline, Strips
from onegrain.reports.rendering.levels import level, level_colour
from onegrain.reports.rendering.numbers import number
from onegrain.reports.rendering.templates import render, source

__all__ = ["Scale", "drawing_document", "drawing_svg"]

WIDTH = 340.0
"""Width of a drawing in units of its view box; pages scale it."""
MOST_LETTERS = 24
"""Letters of a label that are shown beside a row."""
WIDE, NARROW = 7.6, 5.7
"""Widths of capital letters and of others in a label."""
BEYOND = 0.012
"""The share of a scale by which a tick may lie beyond its ends."""


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to positions.

    >>> scale = Scale.over([0.0, 10.0], 100.0, 200.0)
    >>> scale(5.0), scale.ticks
    (150.0, (0.0, 5.0, 10.0))
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: Iterable[float], start: float, end: float) -> Scale:
        """Return the scale whose ends are the extremes of the finite values."""
        known = [float(value) for value in values if math.isfinite(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if low == high:
            low, high = low - 0.5, high + 0.5
        return cls(low, high, start, end)

    def __call__(self, value: float) -> float:
        """Return the position of a value, to a tenth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Two to six round values between the ends, or just beyond them."""
        ticks: tuple[float, ...] = ()
        for parts in (3, 4, 6, 8):
            rough = (self.high - self.low) / parts
            power = 10.0 ** math.floor(math.log10(rough))
            step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
            beyond = BEYOND * (self.high - self.low)
            first = math.ceil((self.low - beyond) / step)
            last = math.floor((self.high + beyond) / step)
            digits = 12 - math.floor(math.log10(max(abs(self.low), abs(self.high))))
            ticks = tuple(round(index * step, digits) for index in range(first, last + 1))
            if len(ticks) > 1:
                break
        return ticks


def drawing_svg(drawing: Drawing, description: str) -> Markup:
    """Return a drawing as an ``<svg>`` element.

    Args:
        drawing: the values.
        description: the text alternative.
    """
    kind = type(drawing).__name__.lower()
    return Markup(
        render(
            "drawings.html.j2",
            kind=kind,
            drawing=drawing,
            description=description,
            width=WIDTH,
            scale=_scale(drawing),
            tools={
                "number": number,
                "level": level,
                "level_colour": level_colour,
                "isfinite": math.isfinite,
                "finite": _finite,
                "letters": MOST_LETTERS,
            },
            limit=_limit(drawing) if isinstance(drawing, Matrix) else 0.0,
        )
    )


def drawing_document(drawing: Drawing, description: str) -> str:
    """Return a drawing as an SVG document with the colours of the light page, for a file of its own."""
    svg = str(drawing_svg(drawing, description)).strip()
    head, _, rest = svg.partition(">")
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}><style>{source("drawings.css")}</style>{rest}'


def _finite(values: Iterable[float]) -> list[float]:
    """Return the values that are numbers."""
    return [value for value in values if math.isfinite(value)]


def _limit(drawing: Matrix) -> float:
    known = [abs(value) for row in drawing.values for value in row if math.isfinite(value)]
    return drawing.limit or max(known, default=0.0) or 1.0


def _scale(drawing: Drawing) -> Scale:
    """Return the horizontal scale of a drawing."""
    match drawing:
        case Histogram():
            return Scale.over([*drawing.edges, *(mark.value for mark in drawing.marks)], 12.0, WIDTH - 44.0)
        case Strips():
            values = [value for row in drawing.rows for value in (row.low, row.high, row.mean)]
            return Scale.over(values, _label_width(row.label for row in drawing.rows), WIDTH - 40.0)
        case Intervals():
            values = [value for row in drawing.rows for value in (row.value, row.low, row.high)]
            labels = _label_width(row.label for row in drawing.rows)
            return Scale.over([*values, drawing.reference], labels, WIDTH - 12.0)
        case Bars():
            values = [0.0, *(value for _, value in drawing.rows)]
            return Scale.over(values, _label_width(label for label, _ in drawing.rows), WIDTH - 44.0)
        case Sparkline():
            return Scale(0, max(1, len(drawing.values) - 1), 2.0, WIDTH - 44.0)
        case Matrix():
            return Scale(0, max(1, len(drawing.columns)), _label_width(drawing.rows), WIDTH)


def _label_width(labels: Iterable[str]) -> float:
    """Return the width that the labels of rows need; of longer ones the first 24 letters are shown."""
    shown = (label[:MOST_LETTERS] for label in labels)
    widest = max((sum(WIDE if letter.isupper() else NARROW for letter in text) for text in shown), default=0.0)
    return min(10.0 + widest, 0.46 * WIDTH)
