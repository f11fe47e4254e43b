"""The report in a real browser, offline: every chart draws, nothing complains, nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest

from onegrain.records.provenance import Provenance
from onegrain.reports import Chart, Fold, Report, Section, Table, Text
from support.chromium import opened_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as browser:
        yield browser


def chart(number: int) -> Chart:
    frame = pd.DataFrame({"x": [1, 2, 3], "y": [number, 2, 1]})
    return Chart(alt.Chart(frame).mark_line().encode(x="x:Q", y="y:Q"), f"chart-{number}", f"Chart {number}")


def test_charts_draw_and_nothing_is_fetched(browser: Any, tmp_path: Path) -> None:
    blocks = [Text.of("A paragraph."), chart(1), chart(2)]
    report = Report("A report", [Section("Charts", blocks)], [Provenance(stage="extract")])
    report.write(tmp_path / "report.html", images=None)
    page = browser.new_page()
    complaints, requests = [], []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto((tmp_path / "report.html").as_uri())
    assert page.locator(".chart svg").count() == 2
    assert page.locator(".chart svg").last.bounding_box()["height"] > 100
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.title() == "A report"


def test_tables_sort_and_links_open_folds(browser: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"neuron": ["b:1", "a:2", "c:3"], "value": [2.0, None, -10.0]})
    table = Table(frame, "Neurons.", links={"neuron": ["card", None, None]})
    report = Report("T", [Section("S", [table, Fold("b:1", [Text.of("The card.")], "card")])])
    report.write(tmp_path / "report.html", images=None)
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    names = page.locator("tbody th")
    value = page.get_by_role("button", name="value")
    value.click()
    assert names.all_text_contents() == ["c:3", "b:1", "a:2"]
    value.click()
    assert names.all_text_contents() == ["b:1", "c:3", "a:2"]
    page.get_by_role("button", name="neuron").click()
    assert names.all_text_contents() == ["a:2", "b:1", "c:3"]
    assert page.locator("th[aria-sort]").all_text_contents() == ["neuron"]
    assert not page.get_by_text("The card.").is_visible()
    page.get_by_role("link", name="b:1").click()
    page.get_by_text("The card.").wait_for(timeout=5000)


def test_nothing_is_cut_on_a_phone(browser: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {f"column number {number}": ["a longer text", "encoder.layers.1:46"] for number in range(12)}
    )
    report = Report("T", [Section("S", [Table(frame, "Wide."), chart(1)])])
    report.write(tmp_path / "report.html", images=None)
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto((tmp_path / "report.html").as_uri())
    wider = "[...document.querySelectorAll('main *')].filter(part => part.scrollWidth > part.clientWidth + 1)"
    assert page.evaluate(f"{wider}.filter(part => getComputedStyle(part).overflowX !== 'visible').length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") == 390
