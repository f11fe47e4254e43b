"""The explorer in a real browser: every page at both widths in both themes, and what a visitor does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from onegrain.explorer import RunningExplorer, explore
from onegrain.explorer.pages.registry import NAVIGATION
from support import ROOT
from support.chromium import opened_browser

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
WIDTHS, THEMES = (1280, 390), ("light", "dark")
STORE = "store=activations%2Fnlm-1--test"
PINS = f"{STORE}&pin=layers.0%3A1&pin=layers.1%3A2"
STATES = {
    "neuron": f"{PINS}&neuron=layers.0%3A3",
    "text": f"{PINS}&sort=max&text=the+dog+sleeps+.",
    "rankings": f"{PINS}&ranking=rankings%2Fupos--nlm-1&label=NOUN&sort=-score",
    "edit": f"{PINS}&text=the+dog+sleeps+.&ranking=rankings%2Fupos--nlm-1&ranking_label=NOUN&first=3",
    "sweep": "model=nlm-1&steps=1&sentences=4",
    "search": f"{PINS}&label=NOUN",
}
"""States of pages that show more than the page alone does."""
LOADED = "() => !document.querySelector('.later, .htmx-request') && document.readyState === 'complete'"


@dataclass
class Visitor:
    """A browser window, and what its pages complained of and asked for."""

    page: Any
    base: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, address: str) -> None:
        """Open an address, and wait until its fragments have arrived."""
        answer = self.page.goto(urljoin(self.base, address))
        assert answer.status == 200, (address, answer.status)
        self.settle()

    def settle(self) -> None:
        """Wait until no fragment is missing."""
        self.page.wait_for_load_state()
        self.page.wait_for_function(LOADED)

    def require_quiet(self) -> None:
        """Check that nothing complained, and that nothing was asked of another host."""
        assert self.complaints == []
        hosts = {urlsplit(url).netloc for url in self.requests if not url.startswith(("data:", "blob:"))}
        assert hosts == {urlsplit(self.base).netloc}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, served: RunningExplorer) -> Iterator[Any]:
    """Return a function that opens a new window, of another visitor."""
    contexts = []

    def open_window(width: int = 1280, theme: str = "light", **options: Any) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        return Visitor(context.new_page(), served.url)

    yield open_window
    for context in contexts:
        context.close()


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


def test_a_pin_goes_along_and_an_address_can_be_shared(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/rankings?{STORE}")
    visitor.page.locator("a.pin").first.click()
    visitor.settle()
    pinned = visitor.page.locator(".pins li a").first.inner_text()
    assert pinned.partition(":")[2].isdigit()
    visitor.page.get_by_role("link", name="Text", exact=True).click()
    visitor.settle()
    assert visitor.page.locator(".pins li a").first.inner_text() == pinned
    words = visitor.page.locator("[data-level]").count()
    assert words > 20
    other = visit(width=390, theme="dark")
    other.go(visitor.page.url)
    assert other.page.locator(".pins li a").first.inner_text() == pinned
    assert other.page.locator("[data-level]").count() == words
    other.page.get_by_role("link", name=f"Unpin {pinned}").first.click()
    other.settle()
    assert other.page.locator(".pins").count() == 0
    for window in (visitor, other):
        window.require_quiet()


def test_a_typed_text_is_read_by_the_model(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/text?{PINS}")
    visitor.page.locator("#typed-text").fill("the dog sleeps <b>now</b> .")
    visitor.page.locator("form:has(#typed-text) button").first.click()
    visitor.settle()
    typed = visitor.page.get_by_role("region", name="Typed text")
    assert "<b>now</b>" in typed.inner_text()
    assert typed.locator("[data-level]").count() >= 5
    assert "text=the+dog" in visitor.page.url
    visitor.require_quiet()


def test_a_slider_changes_the_translation(visit: Any) -> None:
    visitor = visit()
    pins = "".join(f"&pin=encoder.layers.0%3A{unit}" for unit in range(8))
    visitor.go(f"/edit?store=activations%2Fnmt--test{pins}&kind=clamp&text=the+dog+sleeps+.")
    result = visitor.page.locator("#result")
    result.locator("h2, h3, table").first.wait_for()
    texts = [result.inner_text()]
    for number in (0, 1):
        slider = visitor.page.locator("input[type=range][name=value]").nth(number)
        shown = visitor.page.locator(f"#value-{number}")
        before = shown.inner_text()
        with visitor.page.expect_response("**/edit-result?**"):
            slider.focus()
            visitor.page.keyboard.press("End")
        visitor.settle()
        assert shown.inner_text() != before
        texts.append(result.inner_text())
    assert len(set(texts)) == 3
    visitor.require_quiet()


def test_on_a_narrow_screen_the_result_stays_in_view(visit: Any) -> None:
    visitor = visit(width=390)
    visitor.go(
        "/edit?store=activations%2Fnmt--test&ranking=rankings%2Fupos-nmt--nmt&first=6&text=the+dog+sleeps+."
    )
    line = visitor.page.locator("#peek")
    visitor.page.wait_for_function("() => document.querySelector('#peek').textContent")
    seen = [line.inner_text()]
    strength = visitor.page.locator("input[name=strength]")
    for key in ("End", "Home"):
        with visitor.page.expect_response("**/edit-result?**"):
            strength.focus()
            visitor.page.keyboard.press(key)
        visitor.settle()
        after = visitor.page.locator("#result [data-peek]").inner_text()
        assert " ".join(line.inner_text().split()) == " ".join(after.split())
        assert "strength=" in visitor.page.url
        seen.append(line.inner_text())
    assert len(set(seen)) > 1
    box = line.bounding_box()
    assert 0 <= box["y"] < 900
    visitor.page.get_by_role("link", name="Result").click()
    assert visitor.page.locator("#result").bounding_box()["y"] < 300
    visitor.page.set_viewport_size({"width": 1280, "height": 900})
    assert not line.is_visible()
    visitor.require_quiet()


def test_the_first_neurons_of_a_ranking_are_chosen(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/edit?{STORE}&text=the+dog")
    form = visitor.page.get_by_role("form", name="First neurons of a ranking")
    form.get_by_role("spinbutton").fill("4")
    form.get_by_role("combobox").select_option("rankings/upos--nlm-1")
    form.get_by_role("button").click()
    visitor.settle()
    with visitor.page.expect_response("**/edit-result?**"):
        visitor.page.locator("select[name=ranking_label]").select_option("NOUN")
    visitor.settle()
    assert "ranking_label=NOUN" in visitor.page.url
    shown = visitor.page.locator("#result .edit-line").all_inner_texts()
    other = visit()
    other.go(visitor.page.url)
    other.page.locator("#result .edit-line").first.wait_for()
    assert other.page.locator("#result .edit-line").all_inner_texts() == shown
    assert "NOUN in upos--nlm-1" in other.page.locator(".ranked").inner_text()
    other.page.get_by_role("link", name="Leave the neurons of NOUN in upos--nlm-1 out").click()
    other.settle()
    assert other.page.locator(".ranked").count() == 0
    for window in (visitor, other):
        window.require_quiet()


def test_the_keyboard_suffices(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/overview?{PINS}")
    keyboard = visitor.page.keyboard
    keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.className") == "skip"
    keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "main"
    for number, (name, _) in enumerate(NAVIGATION[:4], 1):
        keyboard.press(str(number))
        visitor.page.wait_for_url(f"**/{name}?**")
        visitor.settle()
    visitor.page.locator("[data-word]").first.focus()
    keyboard.press("ArrowRight")
    places = "[...document.querySelectorAll('[data-word]')].indexOf(document.activeElement)"
    assert visitor.page.evaluate(places) == 1
    visitor.go(f"/neuron?{PINS}&neuron=layers.0%3A3")
    keyboard.press("n")
    visitor.page.wait_for_url("**neuron=layers.0%3A4*")
    visitor.settle()
    keyboard.press("p")
    visitor.page.wait_for_url("**neuron=layers.0%3A3*")
    visitor.settle()
    keyboard.press("/")
    assert visitor.page.evaluate("document.activeElement.hasAttribute('data-search-box')")
    visitor.require_quiet()


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


def test_a_sweep_starts_stops_and_is_kept(browser: Any, study_copy: Path) -> None:
    with explore(study_copy) as running:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        visitor = Visitor(context.new_page(), running.url)
        page = visitor.page
        visitor.go(f"/sweep?{STORE}")
        page.locator("input[name=ranking]").first.set_checked(True)
        page.locator("input[name=steps]").fill("20")
        page.locator("input[name=orders]").fill("5")
        page.get_by_role("button", name="Start", exact=True).click()
        page.locator(".sweep-state").wait_for()
        page.wait_for_function("() => document.querySelector('.sweep-state svg')")
        stop = page.get_by_role("button", name="Stop and keep the points")
        if stop.count():
            stop.click()
        keep = page.get_by_role("form", name="Keep the sweep")
        keep.wait_for()
        for width, shown in ((390, ".narrow-only"), (1280, ".wide-only")):
            page.set_viewport_size({"width": width, "height": 900})
            charts = page.locator(".sweep-figures .chart svg:visible")
            assert charts.count() == page.locator(f".sweep-figures .chart{shown} svg").count() == 1
            assert page.evaluate("document.documentElement.scrollWidth") == width
        keep.get_by_role("textbox").fill("mine")
        keep.get_by_role("button", name="Keep").click()
        kept = page.get_by_role("link", name="mine")
        kept.first.click()
        visitor.settle()
        assert "mine" in page.locator("h1").inner_text()
        visitor.require_quiet()
        context.close()
