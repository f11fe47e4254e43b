"""Edits and sweeps in the browser: sliders, the neurons of rankings, and a sweep that is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onegrain.explorer import explore
from support.browsing import STORE, Visitor


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
