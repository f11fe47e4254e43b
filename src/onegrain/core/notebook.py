"""Progress bars in Jupyter notebooks, through IPython's own display, without widgets."""

from __future__ import annotations

import html
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from onegrain.core.pace import Pace, time_left
from onegrain.core.text import visible

__all__ = ["bar", "show_line", "shows_bars"]

FIRST_SECONDS = 0.5
"""Tasks that end sooner show no bar."""

UPDATE_SECONDS = 0.2

_open_bars: list[_Bar] = []


def shows_bars() -> bool:
    """Return True in a notebook's main thread while no other bar is open.

    The inner tasks of a task that has a bar show none.
    """
    if _open_bars or threading.current_thread() is not threading.main_thread():
        return False
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


@contextmanager
def bar(description: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show a task as a bar below the cell; the yielded function advances it."""
    task = _Bar(description, total, unit)
    _open_bars.append(task)
    try:
        yield task.advance
        task.show("")
    finally:
        _open_bars.remove(task)


def show_line(text: str) -> None:
    """Show a line of text below the cell."""
    ipython = import_module("IPython.display")
    ipython.display(ipython.HTML(html.escape(visible(text))))


class _Bar:
    """One task: how much of it is done, and the display that shows it once it has taken a while."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        self.description, self.total, self.unit = visible(description), total, unit
        self.pace = Pace(total)
        self.next_update = time.monotonic() + FIRST_SECONDS
        self.display: Any = None

    def advance(self, done: int) -> None:
        self.pace.add(done)
        if time.monotonic() >= self.next_update:
            left = time_left(self.pace.seconds_left)
            self.show(f", {left}" if left else "", first=True)

    def show(self, remark: str, *, first: bool = False) -> None:
        """Update the display; open it only with ``first``."""
        if self.display is None and not first:
            return
        self.next_update = time.monotonic() + UPDATE_SECONDS
        text = html.escape(f"{self.description}: {self.pace.done:,} of {self.total:,} {self.unit}{remark}")
        page = f'<progress value="{self.pace.done}" max="{self.total}"></progress> {text}'
        ipython = import_module("IPython.display")
        if self.display is None:
            self.display = ipython.display(ipython.HTML(page), display_id=True)
        else:
            self.display.update(ipython.HTML(page))
