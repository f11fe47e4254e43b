"""Progress in plain lines: rates, the time left, and what an earlier run did."""

from __future__ import annotations

import re

import pytest

from onegrain.cli import console


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(console.time, "monotonic", made)
    return made


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
    assert re.fullmatch(r"extract: 1,000 of 1,000 words, 26\.1/s, 0 s left", lines[-1])
    assert len(lines) == 3


def test_nothing_done_leaves_the_time_unknown(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with console._lines("extract", 10, "words"):
        clock.now += 1.0
    assert capsys.readouterr().err == "extract: 0 of 10 words\n"
