"""Measure the speed of a task and the time left, as soon as it can be known."""

from __future__ import annotations

import time

__all__ = ["Pace", "time_left"]

START_SECONDS = 0.1
"""Units reported within this time were done by an earlier run or needed no work, and do not count as speed."""

LEAST_SECONDS = 1.0
KNOWN_SHARE, KNOWN_REPORTS = 0.05, 10
MINUTES_FROM = 120.0


class Pace:
    """The speed of a task of ``total`` units whose units take about the same time.

    The time left is known once a twentieth of the work that was left at the start is done, or ten reports came,
    and the task has run for a second. Before that, and once everything is done, it is None.

    Attributes:
        done: units that are done, including those of an earlier run.
    """

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self._began = time.monotonic()
        self._at_start = self._reports = 0

    def add(self, units: int) -> None:
        """Count units that were just done."""
        self.done += units
        if self._seconds() <= START_SECONDS:
            self._at_start += units
        elif units > 0:
            self._reports += 1

    @property
    def rate(self) -> float:
        """Units per second of this run, without what was done at the start; 0 while nothing is done."""
        return (self.done - self._at_start) / max(self._seconds(), START_SECONDS)

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the rest will take at the speed so far, or None while that is not known."""
        worked, work = self.done - self._at_start, self.total - self._at_start
        enough = worked >= KNOWN_SHARE * work or self._reports >= KNOWN_REPORTS
        if worked <= 0 or self.done >= self.total or not enough or self._seconds() < LEAST_SECONDS:
            return None
        return (self.total - self.done) / self.rate

    def _seconds(self) -> float:
        return time.monotonic() - self._began


def time_left(seconds: float | None) -> str:
    """Return the words for the time left: seconds, or minutes from two minutes on; empty if it is not known.

    >>> time_left(59.6), time_left(200.0), time_left(None)
    ('60 s left', '3 min left', '')
    """
    if seconds is None:
        return ""
    return f"{seconds:,.0f} s left" if seconds < MINUTES_FROM else f"{seconds / 60.0:,.0f} min left"
