"""Small drawings: scales with ticks at both ends, histograms whose small bars can be seen."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from onegrain.reports.rendering.drawing import Scale, drawing_document, drawing_svg
from onegrain.reports.rendering.drawings import (
    Bars,
    Histogram,
    IntervalRow,
    Intervals,
    Mark,
    Matrix,
    Sparkline,
    Strips,
    quantile_row,
)

HOSTILE = "</text><script>\x1b[31m"
NAN = float("nan")
DRAWINGS = [
    Histogram.of_counts((0.0, 1.0, 2.0), (3.0, 900.0), (Mark(0.5, HOSTILE), Mark(NAN, "x"))),
    Histogram((0.0, 1.0), (0.0,)),
    Strips((quantile_row(HOSTILE, 3, (0, 1, 2, 3, 4), 2.0), quantile_row("x", 1, (NAN,) * 5, NAN))),
    Intervals((IntervalRow(HOSTILE, 1.0, 0.5, 2.0), IntervalRow("soft", NAN, soft=True)), "nats", 0.0),
    Bars(((HOSTILE, 3.0), ("none", NAN))),
    Sparkline((1.0, 2.0, 1.5)),
    Sparkline(()),
    Sparkline((1.0, 1.0), (0.0, 0.0), (2.0, 2.0)),
    Matrix((HOSTILE,), ("a",), ((1.0,),)),
]


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_drawing_is_well_formed_and_labels_are_text(drawing) -> None:
    document = drawing_document(drawing, HOSTILE)
    root = ElementTree.fromstring(document)
    assert not root.findall(".//{*}script")
    assert "\x1b" not in document
    assert not re.search(r"[^a-z]nan", document, re.IGNORECASE)
    assert " style=" not in str(drawing_svg(drawing, "x"))


@pytest.mark.parametrize(
    ("low", "high"), [(3e-7, 0.991), (-0.962, -2e-6), (0.0, 1.0), (-3.0, 5.0), (1e6, 1e6 + 3), (-1e-9, 1e-9)]
)
def test_a_scale_has_two_to_six_ticks_near_its_ends(low: float, high: float) -> None:
    scale = Scale.over([low, high], 0.0, 100.0)
    assert 2 <= len(scale.ticks) <= 6
    assert all(low - 0.02 * (high - low) <= tick <= high + 0.02 * (high - low) for tick in scale.ticks)
    assert len(set(scale.ticks)) == len(scale.ticks)


def test_bars_are_logarithmic_only_where_most_would_vanish() -> None:
    flat = Histogram.of_counts((0, 1, 2, 3), (5, 9, 7))
    steep = Histogram.of_counts((0, 1, 2, 3), (9000, 1, 90))
    assert (flat.logarithmic, steep.logarithmic) == (False, True)
    assert flat.heights == (5 / 9, 1.0, 7 / 9)
    assert steep.heights[0] == 1.0
    assert 0 < steep.heights[1] < steep.heights[2] < 1
    assert steep.levels[-1] == 9000
    assert all(steep.height(level) <= 1 for level in steep.levels)
    assert Histogram.of_counts((0, 1), (0,)).heights == (0.0,)
