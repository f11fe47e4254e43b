"""Pages, fragments and figures of the explorer as HTML."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from onegrain.explorer.addresses import PageQuery, address, changed, form_fields, link
from onegrain.explorer.assets import Asset, asset
from onegrain.explorer.coloured import coloured_words
from onegrain.explorer.figures import Figure, VegaChart
from onegrain.reports.rendering.drawing import drawing_document, drawing_svg
from onegrain.reports.rendering.heatmap import LIMIT
from onegrain.reports.rendering.levels import level
from onegrain.reports.rendering.numbers import bracketed, number, percent
from onegrain.reports.rendering.svg import inline_svg
from onegrain.reports.rendering.templates import environment

__all__ = ["figure_document", "figure_svg", "render_page"]


@cache
def _environment() -> jinja2.Environment:
    pages = environment("onegrain.explorer", "onegrain.reports")
    pages.globals.update(
        address=address, link=link, asset=_required_asset, figure_svg=figure_svg, is_vega=_is_vega
    )
    pages.globals.update(fields=form_fields, without=_without, level=_level, coloured_words=coloured_words)
    pages.filters.update(number=number, percent=percent, signed=_signed, capitalize_first=_capitalized)
    pages.globals["bracketed"] = bracketed
    return pages


def render_page(template: str, context: Any, nonce: str) -> str:
    """Return a page or a fragment as HTML.

    Args:
        template: a file of ``onegrain/explorer/templates``.
        context: the page's dataclass, ``page`` in the template.
        nonce: of this response; scripts and elements with htmx attributes carry it.
    """
    return _environment().get_template(template).render(page=context, nonce=nonce)


def figure_svg(figure: Figure, *, narrow: bool = False) -> Markup:
    """Return the drawing of a figure as an ``<svg>`` element of a page; empty if it has none.

    Args:
        figure: the figure.
        narrow: True for the form of a Vega chart for narrow screens; other drawings have one form.
    """
    description = figure.caption or figure.title
    if figure.drawing is None:
        return Markup("")
    if not isinstance(figure.drawing, VegaChart):
        return drawing_svg(figure.drawing, description)
    svg, suffix = (figure.drawing.narrow_svg, "-narrow") if narrow else (figure.drawing.svg, "")
    return Markup(inline_svg(svg, figure.name + suffix, description))


def figure_document(figure: Figure) -> str:
    """Return the drawing of a figure as an SVG document."""
    if figure.drawing is None:
        return ""
    if isinstance(figure.drawing, VegaChart):
        return figure.drawing.svg
    return drawing_document(figure.drawing, figure.caption or figure.title)


def _required_asset(name: str) -> Asset:
    known = asset(name)
    if known is None:
        raise jinja2.TemplateNotFound(name)
    return known


def _is_vega(figure: Figure) -> bool:
    return isinstance(figure.drawing, VegaChart)


def _without(query: PageQuery, *names: str) -> PageQuery:
    """Return a state with some of its values back at their defaults."""
    fields = type(query).model_fields
    return changed(query, **{name: fields[name].get_default(call_default_factory=True) for name in names})


def _level(deviation: float) -> int | None:
    """Return the level of a deviation on the diverging scale, as text heat maps use it."""
    return level(deviation, LIMIT)


def _signed(value: float) -> str:
    """Return a number with its sign and two decimals; a dash for NaN."""
    return number(value, "+.2f")


def _capitalized(text: str) -> str:
    """Return a text with its first letter as a capital, and the others as they are."""
    return text[:1].upper() + text[1:]
