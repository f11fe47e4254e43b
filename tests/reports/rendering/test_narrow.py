"""Charts for narrow screens: one column, legends below each other, titles that fit."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from onegrain.reports.charts.sweep import edit_panels
from onegrain.reports.rendering.narrow import narrow_spec
from onegrain.reports.rendering.pictures import chart_spec, draw_svg
from onegrain.reports.rendering.svg import drawn_width
from support.sweeps import sweep_of

WIDEST = 350.0
"""Pixels that a page of 390 has beside its margins."""


@pytest.fixture(scope="module")
def wide() -> dict:
    losses = {
        (f"a ranking with a long name {ranking}", edit, line, 0): np.linspace(1, 2, 3)[:, None]
        + np.linspace(0, 1, 8)
        for ranking in range(3)
        for edit in ("zero", "mean", "mode")
        for line in ("top", "bottom")
    }
    spec: dict = chart_spec(edit_panels(sweep_of(losses, [0, 10, 40])))
    return spec


def test_a_narrow_chart_fits_a_narrow_screen(wide: dict) -> None:
    before = copy.deepcopy(wide)
    narrow = narrow_spec(wide)
    assert wide == before
    assert narrow["columns"] == 1
    assert narrow["datasets"] == wide["datasets"]
    assert drawn_width(draw_svg(narrow)) <= WIDEST < drawn_width(draw_svg(wide))


def test_long_titles_are_broken() -> None:
    title = {"text": "The perplexity with all but the first neurons edited", "subtitle": ["lower is better"]}
    broken = narrow_spec({"title": title})["title"]
    assert broken["text"] == ["The perplexity with all but the", "first neurons edited"]
    assert broken["subtitle"] == ["lower is better"]
    assert narrow_spec({"title": "short"})["title"] == ["short"]


def test_neighbours_stand_below_each_other() -> None:
    narrow = narrow_spec({"hconcat": [{"width": 300}, {"width": {"step": 12}}], "data": {"columns": 3}})
    assert narrow == {"vconcat": [{"width": 250}, {"width": {"step": 12}}], "data": {"columns": 3}}
