"""When the time left is shown, and what it is: by a clock that the test sets."""

from __future__ import annotations

import pytest

from onegrain.core import pace as module
from onegrain.core.pace import Pace, time_left


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "monotonic", clock)
    return clock


def test_the_time_left_is_unknown_until_a_twentieth_is_done(clock: Clock) -> None:
    pace = Pace(1000)
    assert pace.seconds_left is None
    for units, expected in ((20, None), (29, None), (1, 380.0)):
        clock.now += 20.0 if units == 20 else 0.0
        pace.add(units)
        assert pace.seconds_left == (None if expected is None else pytest.approx(expected))
    assert pace.rate == pytest.approx(2.5)


def test_ten_reports_are_enough_where_a_twentieth_takes_long(clock: Clock) -> None:
    pace = Pace(10_000)
    for number in range(10):
        assert pace.seconds_left is None, number
        clock.now += 1.0
        pace.add(10)
    assert pace.seconds_left == pytest.approx(990.0)


def test_what_was_done_at_the_start_says_nothing_of_the_speed(clock: Clock) -> None:
    pace = Pace(25)
    pace.add(15)
    clock.now += 5.0
    assert (pace.rate, pace.seconds_left) == (0.0, None)
    pace.add(1)
    assert pace.done == 16
    assert pace.seconds_left == pytest.approx(45.0)
    clock.now += 5.0
    assert pace.seconds_left == pytest.approx(90.0)  # the second one takes longer already


def test_nothing_is_known_in_the_first_second_or_of_a_task_reported_once_at_its_end(clock: Clock) -> None:
    pace = Pace(10)
    clock.now += 0.5
    pace.add(5)
    assert pace.seconds_left is None
    clock.now += 0.5
    assert pace.seconds_left == pytest.approx(1.0)
    pace.add(5)
    assert pace.seconds_left is None
    at_once = Pace(26)
    clock.now += 60.0
    assert at_once.seconds_left is None
    at_once.add(26)
    assert at_once.seconds_left is None


def test_the_time_left_is_said_in_seconds_and_in_minutes() -> None:
    assert [time_left(seconds) for seconds in (0.2, 119.4, 150.0, 5400.0)] == [
        "0 s left", "119 s left", "2 min left", "90 min left",
    ]  # fmt: skip
    assert time_left(None) == ""
