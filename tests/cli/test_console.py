"""Test the output for terminals, pipes and scripts: progress in lines, complete tables, unchanged words."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from onegrain.cli import console
from onegrain.core.progress import Announcing, announce


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    instance = Clock()
    monkeypatch.setattr(console.time, "monotonic", instance)
    return instance


def test_rate_and_time_left_are_of_this_run(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with console._lines("extract", 1000, "words") as advance:
        advance(400)
        clock.now += 12.0
        advance(60)
        clock.now += 5.0
        advance(20)
        clock.now += 6.0
        advance(520)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "extract: 460 of 1,000 words, 5.0/s, 108 s left"
    assert lines[-1] == "extract: 1,000 of 1,000 words, 26.1/s"
    assert len(lines) == 3


def test_a_line_of_text_stands_before_the_tasks(capsys: pytest.CaptureFixture[str]) -> None:
    progress = console.progress()
    assert isinstance(progress, Announcing)
    announce(progress, "about 3 minutes\x1b")
    with progress("grid", 2, "steps") as advance:
        advance(2)
    assert capsys.readouterr().err.splitlines()[0] == "about 3 minutes\\x1b"


def test_nothing_done_leaves_the_time_unknown(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with console._lines("extract", 10, "words"):
        clock.now += 1.0
    assert capsys.readouterr().err == "extract: 0 of 10 words\n"


STRANGE = ["[laughter]", "[/INST]", ":dog:", "[red]x", "a\tb", "\x1b[31mred", "word " * 40, "犬"]


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"[b]word": STRANGE, "value": [1 / 3, float("nan"), 2e9, 1.0, 0.1, -1e-30, 3.0, 4.0]})


def test_a_table_in_a_pipe_is_whole(frame: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    console.show_table(frame, "[x] \x07 title")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [r"# [x] \x07 title", "[b]word\tvalue"]
    cells = [line.split("\t") for line in lines[2:]]
    assert [word for word, _ in cells] == [*STRANGE[:4], r"a\tb", r"\x1b[31mred", *STRANGE[6:]]
    assert [float(value or "nan") for _, value in cells] == pytest.approx(
        frame["value"].tolist(), rel=0, abs=0, nan_ok=True
    )
    console.show_table(frame, "t", rows=1)
    assert capsys.readouterr().out.splitlines()[-1] == "# ... 7 rows more"


def test_a_table_on_a_terminal_shows_words_as_they_are(
    frame: pd.DataFrame, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    console.show_table(frame, "[x] title :dog:", rows=7)
    out = capsys.readouterr().out
    for word in ("[x] title :dog:", "[b]word", *STRANGE[:4], r"a\tb", r"\x1b[31mred", "0.3333", "1 rows more"):
        assert word in out
    assert out.count("word") == 41
    assert "\x1b[31mred" not in out
    assert "…" not in out


def test_facts_and_errors_show_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit({"label\x1b": "[b]\x1b[2J", "value": 1 / 3, "none": None}, False)
    out = capsys.readouterr().out
    assert out == "label\\x1b  [b]\\x1b[2J\nvalue   0.3333333333333333\nnone    \n"
    with pytest.raises(SystemExit):
        console.fail("no [b]\x1b[2J\n file")
    assert capsys.readouterr().err == "onegrain: no [b]\\x1b[2J file\n"


def test_json_has_neither_nan_nor_infinity(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"a": float("nan"), "b": [1.5, float("inf")], "c": np.array([1.0, np.nan]), "d": "\x1b"}
    console.emit(values, True)
    out = capsys.readouterr().out
    assert json.loads(out, parse_constant=pytest.fail) == {
        "a": None,
        "b": [1.5, None],
        "c": [1.0, None],
        "d": "\x1b",
    }
    assert "\x1b" not in out
    console.emit_table(pd.DataFrame({"x": [1.0, np.nan], "y": [1, 2]}), "t", True)
    assert json.loads(capsys.readouterr().out)["rows"] == [{"x": 1.0, "y": 1}, {"x": None, "y": 2}]


def test_what_an_encoding_lacks_is_escaped(
    frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        console.show_table(frame, "犬")
    assert r"# \u72ac" in (tmp_path / "out").read_text()
