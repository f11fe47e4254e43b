from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from onegrain.errors import OutputExistsError, ParameterError
from onegrain.reports import Chart, Records, Report, Section, Table, Text, compose
from onegrain.reports.charts import effective_bars, kept_curve


class Page(HTMLParser):
    """What a page would load, its ids and links."""

    LOADS = frozenset({"src", "srcset", "data", "action", "poster", "background"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[tuple[str, str | None]] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.loads += [(tag, attributes[name]) for name in self.LOADS & set(attributes)]
        if tag in ("link", "iframe", "object", "embed", "base"):
            self.loads.append((tag, attributes.get("href")))
        if "id" in attributes:
            self.ids.append(str(attributes["id"]))
        if tag == "a":
            self.links.append(str(attributes["href"]))


@pytest.fixture(scope="module")
def report(rankings, curves, activations) -> Report:
    facts = {"nlm": {"perplexity": 30.0}, "nmt": {"BLEU": 30.0}}
    return compose("Neurons", Records(rankings, curves, {"nlm": activations}, facts, neurons=2))


@pytest.fixture(scope="module")
def text(report: Report) -> str:
    return report.html()


def test_the_page_loads_nothing(text: str) -> None:
    page = Page(text)
    assert page.loads == []
    assert "default-src 'none'" in text
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    assert all(link.startswith("#") for link in page.links)


def test_every_chart_is_drawn_in_the_page(report: Report, text: str) -> None:
    assert re.findall(r'data-chart="([^"]+)"><svg ', text) == [chart.name for chart in report.charts()]
    assert len(text.encode()) < 1_000_000


def test_marks_have_titles_with_their_numbers() -> None:
    frame = pd.DataFrame({"label": ["NOUN"], "word_class": [None], "effective": [3.5]})
    html = Report("T", [Section("A", [Chart(effective_bars(frame), "one")])]).html()
    titles = re.findall(r"<title>([^<]*)</title>", html)
    assert any("NOUN" in title and "3.5" in title for title in titles)


def test_the_policy_allows_this_style_and_script_and_nothing_else(text: str) -> None:
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", text, re.S)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert style is not None
    assert policy is not None
    for source, part in (("style", style[1]), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"{source}-src 'sha256-{digest}';" in policy[1]
    assert "unsafe" not in policy[1]
    assert ' style="' not in text


def test_contents_lead_to_sections(report: Report, text: str) -> None:
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links} <= set(page.ids)
    for section in report.sections:
        assert f"#{section.anchor}" in page.links


def test_words_and_provenance_are_escaped(text: str) -> None:
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in text
    provenance = text.split('id="provenance"')[1]
    assert provenance.count("<details>") == 8


def test_a_label_cannot_leave_its_chart() -> None:
    label = "</svg><script>x</script><p id='x'>"
    frame = pd.DataFrame({"label": [label], "word_class": [None], "effective": [1.0]})
    text = Report("T", [Section("A", [Chart(effective_bars(frame), "one")])]).html()
    assert "x" not in Page(text).ids
    assert "<script" not in text
    assert "&lt;/svg&gt;&lt;script&gt;x&lt;/script&gt;" in text


def test_same_input_same_bytes(report: Report, text: str) -> None:
    assert report.html() == text


def test_write_makes_page_and_pictures(tmp_path: Path, probes) -> None:
    chart = Chart(kept_curve(probes["nlm"].details["evaluation"], "masking"), "masking")
    report = Report("T", [Section("A", [Text.of("hello"), chart])])
    page = tmp_path / "out" / "report.html"
    assert report.write(page) == [page, page.parent / "charts" / "masking.png"]
    assert (page.parent / "charts" / "masking.png").read_bytes()[:4] == b"\x89PNG"
    written = page.stat().st_mtime_ns
    repeats: list[str] = []
    assert report.write(page, on_repeat=lambda: repeats.append("same"))[0] == page
    assert report.write(page)[0] == page
    assert repeats == ["same"]
    assert page.stat().st_mtime_ns == written
    with pytest.raises(OutputExistsError, match="--force"):
        Report("Another", report.sections).write(page)
    page.unlink()
    with pytest.raises(OutputExistsError, match=r"masking\.png"):
        report.write(page)
    assert not page.exists()
    assert report.write(page, force=True, images=None) == [page]


def test_a_page_without_charts_carries_no_script() -> None:
    html = Report("T", [Section("A", [Table(pd.DataFrame({"a": [1]}), "c")])]).html()
    assert "<script" not in html
    assert "script-src" not in html
    assert len(html) < 10_000


def test_refusals(probes) -> None:
    with pytest.raises(ParameterError, match="section anchor a is used twice"):
        Report("T", [Section("A", []), Section("a", [])])
    frame = pd.DataFrame({"label": ["x"], "word_class": [None], "effective": [1.0]})
    chart = Chart(effective_bars(frame), "one")
    with pytest.raises(ParameterError, match="chart one is used twice"):
        Report("T", [Section("A", [chart, chart])])
    with pytest.raises(ParameterError, match="try 'one-two'"):
        Chart(chart.chart, "One two")
    with pytest.raises(ParameterError, match="not str"):
        Report("T", [Section("A", ["plain"])]).html()
    with pytest.raises(ParameterError, match="at least one ranking or curve"):
        compose("T", Records())
