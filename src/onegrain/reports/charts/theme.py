"""One look for every chart: colour-blind-safe colours (Okabe and Ito 2008), sizes and type."""

from __future__ import annotations

from typing import Any

import altair as alt

__all__ = [
    "CLASS_COLOURS",
    "COLOURS",
    "GREY",
    "INK",
    "LINE_DASHES",
    "SEQUENTIAL",
    "WIDTH",
    "compact",
    "finish",
    "title",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GREY = "#8A8A8A"
INK = "#222222"
SEQUENTIAL = "blues"
WIDTH = 440
CLASS_COLOURS = {"open": "#0072B2", "closed": "#D55E00", "other": "#8A8A8A"}
LINE_DASHES = {"top": [1, 0], "bottom": [6, 3], "random": [2, 3], "keep": [8, 2, 2, 2]}

_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_CONFIG: dict[str, Any] = {
    "background": "#FFFFFF",
    "font": _FONT,
    "padding": 8,
    "view": {"stroke": None},
    "title": {
        "anchor": "start",
        "color": INK,
        "fontSize": 15,
        "fontWeight": 600,
        "offset": 12,
        "subtitleColor": "#555555",
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
    },
    "axis": {
        "domainColor": "#999999",
        "gridColor": "#E8E8E8",
        "labelColor": "#444444",
        "labelFontSize": 11,
        "labelLimit": 220,
        "tickColor": "#999999",
        "titleColor": INK,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "titlePadding": 8,
    },
    "header": {"labelFontSize": 12, "labelFontWeight": 600, "labelColor": INK, "titleFontSize": 12},
    "legend": {"labelFontSize": 11, "labelLimit": 260, "titleFontSize": 12, "titleFontWeight": 600},
    "range": {"category": list(COLOURS)},
}


def title(text: str, subtitle: str = "") -> alt.TitleParams:
    """Return a chart title with an optional line of explanation under it."""
    return alt.TitleParams(text=text, subtitle=[subtitle]) if subtitle else alt.TitleParams(text=text)


def finish(chart: Any, text: str, subtitle: str = "") -> Any:
    """Return a complete chart: with its title, a description for screen readers, and the common look."""
    description = f"{text}. {subtitle}" if subtitle else text
    return chart.properties(title=title(text, subtitle), description=description).configure(**_CONFIG)


def compact(chart: Any, description: str) -> Any:
    """Return a small chart for the first screen of a report: a description for screen readers and no title."""
    config = {
        **_CONFIG,
        "padding": 2,
        "axis": {**_CONFIG["axis"], "labelLimit": 90, "titlePadding": 4},
        "legend": {**_CONFIG["legend"], "orient": "bottom", "offset": 4, "symbolSize": 60},
    }
    return chart.properties(description=description).configure(**config)
