"""Small charts as inline SVG, drawn by the macros of ``templates/drawings.html.j2``.

They need no library and no script, take their colours from the page's style sheet, and stand in reports and
in the explorer. A value that is not a number is left out of a drawing; its table keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from onegrain.reports.rendering.heatmap import colour
from onegrain.reports.rendering.numbers import number
from onegrain.reports.rendering.templates import render, source

__all__ = [
    "STEPS",
    "Bars",
    "Drawing",
    "Histogram",
    "IntervalRow",
    "Intervals",
    "Mark",
    "Matrix",
    "Scale",
    "Sparkline",
    "StripRow",
    "Strips",
    "drawing_document",
    "drawing_svg",
    "level",
    "level_rules",
]

WIDTH = 340.0
"""Width of a drawing in units of its view box; pages scale it."""
MOST_LETTERS = 24
"""Letters of a label that are shown beside a row."""
WIDE, NARROW = 7.6, 5.7
"""Widths of capital letters and of others in a label."""
BEYOND = 0.012
"""The share of a scale by which a tick may lie beyond its ends."""
SMALLEST_SHARE = 0.02
"""The share of the highest bar below which a bar can hardly be seen."""
STEPS = 20
"""Levels of the diverging scale on each side of zero."""


@dataclass(frozen=True)
class Mark:
    """A vertical line in a drawing, with a label."""

    value: float
    label: str


@dataclass(frozen=True)
class Histogram:
    """Counts of values in neighbouring bins.

    Attributes:
        edges: the bounds of the bins, one more than there are counts, increasing.
        counts: values in each bin.
        marks: values to mark, such as the mean.
        unit: the name of what the horizontal axis measures.
        of: the name of what is counted.
        logarithmic: True for bars whose heights are the logarithms of the counts, from 1 up.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    marks: tuple[Mark, ...] = ()
    unit: str = "activation"
    of: str = "words"
    logarithmic: bool = False

    @classmethod
    def of_counts(
        cls, edges: Sequence[float], counts: Sequence[float], marks: Iterable[Mark] = (), *, of: str = "words"
    ) -> Histogram:
        """Return a histogram whose bars are logarithmic if most of them could not be seen otherwise.

        >>> Histogram.of_counts((0, 1, 2, 3), (9000, 3, 7)).logarithmic
        True
        """
        filled = sorted(count for count in counts if count)
        hidden = bool(filled) and filled[len(filled) // 2] < SMALLEST_SHARE * filled[-1]
        return cls(tuple(edges), tuple(counts), tuple(marks), of=of, logarithmic=hidden)

    @property
    def heights(self) -> tuple[float, ...]:
        """The heights of the bars, as shares of the highest."""
        most = max(self.counts, default=0.0)
        return tuple(self.height(count) if most and count else 0.0 for count in self.counts)

    def height(self, count: float) -> float:
        """Return the height of a count above 0, as a share of the highest bar."""
        most = max(self.counts)
        return math.log(2.0 * count) / math.log(2.0 * most) if self.logarithmic else count / most

    @property
    def levels(self) -> tuple[float, ...]:
        """The counts that horizontal lines mark: the largest, and powers of ten below it if logarithmic."""
        most = max(self.counts, default=0.0)
        if not self.logarithmic:
            return (most,) if most else ()
        powers = [10.0**power for power in range(math.floor(math.log10(most)) + 1)]
        return (*(power for power in powers if self.height(power) < 0.9), most)


@dataclass(frozen=True)
class StripRow:
    """One row of a strip chart: five quantiles and the mean of the values of one group.

    Attributes:
        label: the group.
        count: number of values.
        low, quarter, median, three_quarters, high: the 5, 25, 50, 75 and 95 % quantiles.
        mean: their mean.
    """

    label: str
    count: int
    low: float
    quarter: float
    median: float
    three_quarters: float
    high: float
    mean: float


@dataclass(frozen=True)
class Strips:
    """The distributions of groups, one row each, on one axis."""

    rows: tuple[StripRow, ...]
    unit: str = "activation"


@dataclass(frozen=True)
class IntervalRow:
    """A value with its interval; the bounds are NaN if it has none. ``soft`` rows are drawn in grey."""

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    soft: bool = False


@dataclass(frozen=True)
class Intervals:
    """Values with intervals, one row each, on one axis.

    Attributes:
        rows: the values.
        unit: the name of what the axis measures.
        reference: where a vertical line is drawn, such as 0; NaN for none.
    """

    rows: tuple[IntervalRow, ...]
    unit: str = ""
    reference: float = math.nan


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from zero, one row each: (label, value)."""

    rows: tuple[tuple[str, float], ...]
    unit: str = ""


@dataclass(frozen=True)
class Sparkline:
    """A small line of values between two numbered lines, with a band where ``low`` and ``high`` are known."""

    values: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True)
class Matrix:
    """A table of values as colours on the diverging scale.

    Attributes:
        rows, columns: their names.
        values: one tuple for each row; NaN is left blank.
        limit: the absolute value at which the colour is strongest; 0 takes the largest one.
        unit: the name of the values.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    limit: float = 0.0
    unit: str = ""


Drawing = Histogram | Strips | Intervals | Bars | Sparkline | Matrix


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


def level(value: float, limit: float) -> int | None:
    """Return the level of a value on the diverging scale, from -20 to 20; None for NaN.

    >>> level(1.5, 3.0), level(-9.0, 3.0)
    (10, -20)
    """
    if not math.isfinite(value) or limit <= 0:
        return None
    return round(STEPS * max(-1.0, min(1.0, value / limit)))


def level_colour(value: float, limit: float) -> str:
    """Return the colour of a value on the light page as a hexadecimal RGB text."""
    parts = colour(value, limit)
    return "none" if parts is None else "#{:02x}{:02x}{:02x}".format(*parts)


def level_rules() -> str:
    """Return the rules of the style sheet for the levels of the diverging scale, for text and for drawings."""
    rules = []
    for step in range(-STEPS, STEPS + 1):
        if step:
            side, share = ("high" if step > 0 else "low"), round(100 * abs(step) / STEPS)
            mixed = f"color-mix(in srgb,var(--{side}) calc({share}%*var(--depth)),var(--page))"
            rules.append(f'[data-level="{step}"]{{background:{mixed};fill:{mixed}}}')
    return "\n".join(rules)


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


def quantile_row(label: str, count: int, quantiles: Sequence[float], mean: float) -> StripRow:
    """Return a row of a strip chart from the 5, 25, 50, 75 and 95 % quantiles."""
    low, quarter, median, three_quarters, high = (float(value) for value in quantiles)
    return StripRow(label, count, low, quarter, median, three_quarters, high, mean)
