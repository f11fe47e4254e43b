"""Charts as pictures: the Vega-Lite specification, PNG and SVG, drawn without a network.

Altair and the renderer are loaded by the first chart, which a page without one does not wait for.
"""

from __future__ import annotations

from typing import Any

from onegrain.core.recognition import marked_png
from onegrain.core.text import visible

__all__ = ["chart_png", "chart_spec", "chart_svg", "draw_svg"]

IMAGE_SCALE = 2.0
NO_URL: list[str] = []


def chart_spec(chart: Any) -> dict[str, Any]:
    """Return the Vega-Lite specification of an altair chart with its data inside, for any number of rows.

    Control characters in its texts are escaped: SVG has none, and the renderer would end the process.
    """
    import altair as alt

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
    """Return an altair chart as PNG at twice its size, marked as written by onegrain."""
    import vl_convert

    drawn = vl_convert.vegalite_to_png(chart_spec(chart), scale=IMAGE_SCALE, allowed_base_urls=NO_URL)
    return marked_png(drawn)


def chart_svg(chart: Any) -> str:
    """Return an altair chart as an SVG document."""
    return draw_svg(chart_spec(chart))


def draw_svg(spec: dict[str, Any]) -> str:
    """Return the SVG document of a specification that :func:`chart_spec` made."""
    import vl_convert

    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=NO_URL)
