"""Every page at both widths and in both themes: it fits, nothing complains, and axe finds nothing."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin

import pytest

from onegrain.explorer.pages.registry import NAVIGATION
from support import ROOT
from support.browsing import PINS, STORE

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS, THEMES = (1280, 390), ("light", "dark")
STATES = {
    "neuron": f"{PINS}&neuron=layers.0%3A3",
    "text": f"{PINS}&sort=max&text=the+dog+sleeps+.",
    "rankings": f"{PINS}&ranking=rankings%2Fupos--nlm-1&label=NOUN&sort=-score",
    "edit": f"{PINS}&text=the+dog+sleeps+.&ranking=rankings%2Fupos--nlm-1&ranking_label=NOUN&first=3",
    "sweep": "model=nlm-1&steps=1&sentences=4",
    "search": f"{PINS}&label=NOUN",
}
"""States of pages that show more than the page alone does."""

PAGES = [
    *(pytest.param(f"/{name}", id=name) for name, _ in NAVIGATION),
    *(pytest.param(f"/{name}?{STATES[name]}", id=f"{name} in use") for name, _ in NAVIGATION if name in STATES),
]


@pytest.mark.parametrize("address", PAGES)
def test_every_page_fits_and_nothing_complains(visit: Any, address: str) -> None:
    visitor = visit()
    visitor.go(address)
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            visitor.page.emulate_media(color_scheme=theme)
            assert visitor.page.evaluate("document.documentElement.scrollWidth") == width, (width, theme)
    assert visitor.page.locator("h1").count() == 1
    visitor.require_quiet()


@pytest.mark.parametrize("address", PAGES)
def test_axe_finds_nothing(visit: Any, address: str) -> None:
    if not AXE.is_file():
        pytest.fail("axe-core is not here; fetch it: make frontend")
    visitor = visit(bypass_csp=True)
    visitor.go(address)
    visitor.page.add_script_tag(content=AXE.read_text("utf-8"))
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            visitor.page.emulate_media(color_scheme=theme)
            violations = visitor.page.evaluate("axe.run().then(result => result.violations)")
            faults = [
                (fault["id"], fault["help"], [node["html"][:160] for node in fault["nodes"][:4]])
                for fault in violations
            ]
            assert not faults, json.dumps({"width": width, "theme": theme, "faults": faults}, indent=1)


def test_the_theme_is_remembered(visit: Any) -> None:
    visitor = visit()
    visitor.go("/overview")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(colour)
    visitor.page.get_by_role("button", name="Switch between light and dark").click()
    dark = visitor.page.evaluate(colour)
    assert dark != light
    visitor.go("/rankings")
    assert visitor.page.evaluate(colour) == dark


def test_pages_print_without_their_frame(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/neuron?{PINS}&neuron=layers.0%3A3")
    visitor.page.emulate_media(media="print")
    for selector in ("header.top", ".state", "footer"):
        assert not visitor.page.locator(selector).first.is_visible()
    assert visitor.page.locator("h1").is_visible()
    assert visitor.page.locator("main svg").first.is_visible()


def test_without_scripts_the_pages_work(visit: Any) -> None:
    visitor = visit(java_script_enabled=False)
    page = visitor.page
    page.goto(urljoin(visitor.base, f"/rankings?{STORE}"))
    page.locator("a.pin").first.click()
    assert page.locator(".pins li").count() == 1
    page.get_by_role("link", name="Text", exact=True).click()
    assert page.locator("[data-level]").count() > 20


def test_an_embedded_figure_shows_in_a_frame_of_another_page(visit: Any) -> None:
    visitor = visit()
    source = urljoin(visitor.base, f"/neuron/embed/histogram?{STORE}&neuron=layers.0%3A3")
    visitor.page.set_content(f'<iframe src="{source}" width="600" height="400" title="A figure"></iframe>')
    frame = visitor.page.frame_locator("iframe")
    frame.locator("svg").wait_for()
    assert visitor.complaints == []
    refused = urljoin(visitor.base, "/overview")
    visitor.page.set_content(f'<iframe src="{refused}" title="A page"></iframe>')
    visitor.page.wait_for_timeout(300)
    assert visitor.page.frame_locator("iframe").locator("main").count() == 0
    assert "frame-ancestors" in " ".join(visitor.complaints)
