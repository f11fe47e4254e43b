from __future__ import annotations

import re
from dataclasses import replace

import pytest

from onegrain.analyses.neurons.heat import Heat, HeatSentence
from onegrain.errors import ParameterError
from onegrain.reports.rendering.heatmap import HIGH, LOW, STRONGEST, colour, heatmap_html, heatmap_text

HEAT = Heat(
    4, "layers.0:4", 0.0, 1.0, (HeatSentence(9, ("the", "<i>", "dog", "?"), (-3.0, 0.2, 2.5, float("nan"))),)
)


def test_colours_diverge_from_white_and_saturate() -> None:
    assert colour(0.0) == (255, 255, 255)
    assert colour(9.0) == colour(3.0) == tuple(round(255 + STRONGEST * (part - 255)) for part in HIGH)
    assert colour(-3.0) == tuple(round(255 + STRONGEST * (part - 255)) for part in LOW)
    assert colour(float("nan")) is None
    depths = [255 * 3 - sum(colour(step / 2) or ()) for step in range(7)]
    assert depths == sorted(depths)


def test_html_has_words_values_and_a_legend() -> None:
    html = heatmap_html(HEAT, "a caption")
    assert "layers.0:4" in html
    assert "&lt;i&gt;" in html
    assert "<i>" not in html
    assert re.findall(r'title="([^"]*)"', html) == [
        "-3.00 standard deviations",
        "+0.20 standard deviations",
        "+2.50 standard deviations",
        "no activation",
    ]
    assert 'title="constant neuron"' in heatmap_html(replace(HEAT, std=0.0))
    assert re.findall(r">([-+]?\d\.?\d*)</span>", html)[-5:] == ["-3.0", "-1.5", "0", "+1.5", "+3.0"]
    assert "#{:02x}{:02x}{:02x}".format(*(colour(2.5) or ())) in html


def test_text_for_the_terminal() -> None:
    assert heatmap_text(HEAT) == "the[-3.0] <i> dog[+2.5] ?"
    ansi = heatmap_text(HEAT, ansi=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", ansi) == "the <i> dog ?"
    assert ansi.count("\x1b[48;2;") == 3


def test_refuses_a_limit_of_zero() -> None:
    with pytest.raises(ParameterError, match="above 0"):
        heatmap_html(HEAT, limit=0)
