"""Charts for narrow screens: the same specification with its panels and legends below each other."""

from __future__ import annotations

import textwrap
from typing import Any

__all__ = ["narrow_spec"]

WIDTH = 250
"""Width of each panel in pixels, so that a chart with its axis fills a screen of 390 pixels at its own size."""
TITLE_LETTERS, SUBTITLE_LETTERS = 36, 52
"""Letters of a line of titles; longer ones are broken."""
DATA = ("data", "datasets", "values", "transform")
PANELS = ("concat", "facet", "repeat")


def narrow_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification whose panels stand in one column and whose legends have one, too.

    Args:
        spec: a specification with its data, see :func:`onegrain.reports.rendering.pictures.chart_spec`.

    >>> narrow_spec({"concat": [{"width": 400, "mark": "point"}], "columns": 2})
    {'concat': [{'width': 250, 'mark': 'point'}], 'columns': 1}
    """
    narrow: dict[str, Any] = _narrow(spec)
    if "title" in narrow:
        narrow["title"] = _broken(narrow["title"])
    if "config" in narrow:
        legend = {
            **narrow["config"].get("legend", {}),
            "orient": "bottom",
            "labelLimit": WIDTH,
            "layout": {"bottom": {"direction": "vertical", "anchor": "start", "margin": 10}},
        }
        if "columns" in legend:
            legend["columns"] = 1
        narrow["config"] = {**narrow["config"], "legend": legend}
    return narrow


def _narrow(part: Any) -> Any:
    """Return a part of a specification with the widths and columns of a narrow screen."""
    if isinstance(part, list):
        return [_narrow(item) for item in part]
    if not isinstance(part, dict):
        return part
    narrow = {name: value if name in DATA else _narrow(value) for name, value in part.items()}
    if "hconcat" in narrow:
        narrow["vconcat"] = narrow.pop("hconcat")
    if "columns" in narrow and any(name in narrow for name in PANELS):
        narrow["columns"] = 1
    if isinstance(narrow.get("width"), int | float):
        narrow["width"] = WIDTH
    if isinstance(narrow.get("legend"), dict) and "columns" in narrow["legend"]:
        narrow["legend"] = {**narrow["legend"], "orient": "bottom", "columns": 1, "labelLimit": WIDTH}
    return narrow


def _broken(title: Any) -> Any:
    """Return a title with its long lines broken."""
    if isinstance(title, str):
        return textwrap.wrap(title, TITLE_LETTERS)
    lengths = {"text": TITLE_LETTERS, "subtitle": SUBTITLE_LETTERS}
    return {name: _lines(value, lengths[name]) if name in lengths else value for name, value in title.items()}


def _lines(text: str | list[str], letters: int) -> list[str]:
    lines = [text] if isinstance(text, str) else text
    return [part for line in lines for part in textwrap.wrap(line, letters)]
