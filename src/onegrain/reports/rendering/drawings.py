"""The values of small charts, which ``drawing.py`` turns into inline SVG.

A value that is not a number is left out of a drawing; its table keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "Bars",
    "Drawing",
    "Histogram",
    "IntervalRow",
    "Intervals",
    "Mark",
    "Matrix",
    "Sparkline",
    "StripRow",
    "Strips",
    "quantile_row",
]

SMALLEST_SHARE = 0.02
"""The share of the highest bar below which a bar can hardly be seen."""


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


def quantile_row(label: str, count: int, quantiles: Sequence[float], mean: float) -> StripRow:
    """Return a row of a strip chart from the 5, 25, 50, 75 and 95 % quantiles."""
    low, quarter, median, three_quarters, high = (float(value) for value in quantiles)
    return StripRow(label, count, low, quarter, median, three_quarters, high, mean)
