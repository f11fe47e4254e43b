"""The Python of docs/report.md runs as it stands, and its sections are those of the report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onegrain.reports import Records, compose
from support import ROOT

PAGE = ROOT / "docs" / "report.md"


def test_the_block_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict = {}
    exec(block, names)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    assert all(section.title in text for section in names["report"].sections if section.answer is None)
    questions = re.findall(r"^\| (.*\?) \|", text, re.MULTILINE)
    answered = [section.title for section in names["report"].sections if section.answer is not None]
    assert answered == [question for question in questions if question in answered]
    assert answered == ["Localised or distributed?", "Exclusive or shared?"]
    assert page.count("<article") == 2


def test_an_empty_folder_of_records_has_no_report() -> None:
    with pytest.raises(ValueError, match="at least one ranking or curve"):
        compose("T", Records())
