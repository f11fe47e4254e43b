"""Charts as SVG elements that stand inside an HTML page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

__all__ = ["drawn_width", "inline_svg"]

NAMESPACE = "{http://www.w3.org/2000/svg}"
ELEMENTS = frozenset(
    [
        "svg",
        "g",
        "path",
        "rect",
        "line",
        "circle",
        "text",
        "tspan",
        "defs",
        "clipPath",
        "linearGradient",
        "radialGradient",
        "stop",
    ]
)
ATTRIBUTES = frozenset(
    [
        "x",
        "y",
        "x1",
        "y1",
        "x2",
        "y2",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "d",
        "dx",
        "dy",
        "width",
        "height",
        "viewBox",
        "transform",
        "fill",
        "fill-opacity",
        "fill-rule",
        "stroke",
        "stroke-opacity",
        "stroke-width",
        "stroke-dasharray",
        "stroke-dashoffset",
        "stroke-linecap",
        "stroke-linejoin",
        "stroke-miterlimit",
        "opacity",
        "display",
        "visibility",
        "font-size",
        "font-weight",
        "font-style",
        "text-anchor",
        "dominant-baseline",
        "clip-path",
        "clip-rule",
        "offset",
        "stop-color",
        "stop-opacity",
        "gradientUnits",
        "id",
        "aria-hidden",
    ]
)
DEFAULTS = {("stroke-width", "1"), ("opacity", "1"), ("x1", "0"), ("y1", "0"), ("x2", "0"), ("y2", "0")}
"""Attributes that say what a drawing would do without them, except for gradients."""
GUIDES = frozenset(["axis", "legend", "title"])
"""Parts whose descriptions only repeat the text that they show."""
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}(?:e-?\d+)?")
REFERENCE = re.compile(r"url\(\s*['\"]?#([^'\")\s]+)['\"]?\s*\)")


def drawn_width(svg: str) -> float:
    """Return the width of an SVG document in pixels."""
    return float(ElementTree.fromstring(svg).attrib["width"])


def inline_svg(svg: str, name: str, description: str) -> str:
    """Return a drawing as one ``<svg>`` element that can share a page with others.

    Only known elements and attributes are kept: no script, style, link or event handler can pass. Ids become
    the chart's name with a number, because the renderer numbers them differently in each call. The
    description of a mark, with its numbers, becomes the mark's ``<title>``: browsers show it on hover and
    screen readers read it.

    Args:
        svg: an SVG document as vl-convert draws it.
        name: unique in the page; letters, digits and dashes.
        description: the text alternative of the drawing.
    """
    drawing = ElementTree.fromstring(svg)
    ids = [element.attrib["id"] for element in drawing.iter() if "id" in element.attrib]
    root = _clean(drawing, {old: f"{name}-{number}" for number, old in enumerate(dict.fromkeys(ids))})
    root.set("role", "group")
    root.set("aria-label", description)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: ElementTree.Element, ids: dict[str, str]) -> ElementTree.Element:
    """Return a copy of an element that holds only what a page may show, without what it would show anyway."""
    kept = ElementTree.Element(element.tag.removeprefix(NAMESPACE))
    is_gradient = kept.tag.endswith("Gradient")
    for key, value in element.attrib.items():
        if key == "id":
            kept.set(key, ids[value])
        elif key in ATTRIBUTES and "url(" not in value and ((key, value) not in DEFAULTS or is_gradient):
            kept.set(key, LONG_NUMBER.sub(_rounded, value))
        elif key in ATTRIBUTES and (reference := REFERENCE.fullmatch(value)) and reference[1] in ids:
            kept.set(key, f"url(#{ids[reference[1]]})")
    kept.text = element.text
    if (label := element.get("aria-label")) and element.get("aria-roledescription") not in GUIDES:
        ElementTree.SubElement(kept, "title").text = label
    for child in element:
        if child.tag.removeprefix(NAMESPACE) in ELEMENTS and not _is_empty(child):
            cleaned = _clean(child, ids)
            if cleaned.tag == "g" and not cleaned.attrib and cleaned.find("title") is None:
                kept.extend(cleaned)
            elif cleaned.tag != "g" or len(cleaned):
                kept.append(cleaned)
    return kept


def _rounded(number: re.Match[str]) -> str:
    """Return a coordinate to a hundredth of a pixel."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _is_empty(element: ElementTree.Element) -> bool:
    """Return True if an element is a path that draws nothing."""
    return element.tag == f"{NAMESPACE}path" and element.get("d") in ("", "M0,0h0v0h0Z")
