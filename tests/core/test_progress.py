from __future__ import annotations

import inspect
import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.core import notebook
from onegrain.core.progress import announce, automatic, renamed, silent


class Notebook:
    """Stands in for IPython: keeps the pages that each display showed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shell: Any) -> None:
        self.displays: list[list[str]] = []
        ipython, display = ModuleType("IPython"), ModuleType("IPython.display")
        ipython.get_ipython = lambda: shell  # type: ignore[attr-defined]
        display.HTML = str  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", display)
        monkeypatch.setattr(notebook, "FIRST_SECONDS", 0.0)
        monkeypatch.setattr(notebook, "UPDATE_SECONDS", 0.0)

    def display(self, page: str, *, display_id: bool = False) -> Any:
        assert display_id == page.startswith("<progress")
        pages = [page]
        self.displays.append(pages)
        return SimpleNamespace(update=pages.append)


KERNEL = SimpleNamespace(kernel=object())


def test_a_notebook_shows_one_bar_for_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Notebook(monkeypatch, KERNEL)
    with automatic("read <x>", 1200, "words") as advance:
        advance(200)
        with automatic("inner", 5, "words") as inner:
            inner(5)
        advance(1000)
    assert len(shown.displays) == 1
    first, *_, last = shown.displays[0]
    assert first.startswith('<progress value="200" max="1200"></progress> read &lt;x&gt;: 200 of 1,200 words')
    assert last == '<progress value="1200" max="1200"></progress> read &lt;x&gt;: 1,200 of 1,200 words'
    with automatic("next", 2, "words") as advance:
        advance(2)
    assert len(shown.displays) == 2


def test_a_task_that_fails_leaves_room_for_the_next_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Notebook(monkeypatch, KERNEL)

    def fail() -> None:
        with automatic("read", 2, "words") as advance:
            advance(1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with automatic("again", 2, "words") as advance:
        advance(1)
    assert [len(pages) for pages in shown.displays] == [1, 2]


def test_a_short_task_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Notebook(monkeypatch, KERNEL)
    monkeypatch.setattr(notebook, "FIRST_SECONDS", 3600.0)
    with automatic("read", 2, "words") as advance:
        advance(2)
    assert shown.displays == []


def test_nothing_is_shown_outside_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Notebook(monkeypatch, SimpleNamespace())
    assert not notebook.shows_bars()
    with automatic("read", 2, "words") as advance:
        advance(2)
    assert shown.displays == []
    Notebook(monkeypatch, None)
    assert not notebook.shows_bars()


def test_a_notebook_shows_a_line_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Notebook(monkeypatch, KERNEL)
    announce(automatic, "about <3> minutes")
    announce(silent, "nothing")
    assert shown.displays == [["about &lt;3&gt; minutes"]]
    Notebook(monkeypatch, None)
    announce(automatic, "nothing")
    assert shown.displays == [["about &lt;3&gt; minutes"]]


def test_a_task_is_shown_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Notebook(monkeypatch, KERNEL)
    with renamed(automatic, "grid")("solve probes", 2, "probes") as advance:
        advance(2)
    assert shown.displays[0][-1].endswith("grid: 2 of 2 probes")


def test_worker_threads_show_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    Notebook(monkeypatch, KERNEL)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(notebook.shows_bars()))
    thread.start()
    thread.join()
    assert answers == [False]
    assert notebook.shows_bars()


def test_public_functions_show_a_bar_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {}
    for name in og.__all__:
        value = getattr(og, name)
        if inspect.isfunction(value) and "progress" in inspect.signature(value).parameters:
            defaults[name] = inspect.signature(value).parameters["progress"].default
    assert {"ablate", "clusters", "evaluate", "extract", "rank", "stability"} <= set(defaults)
    assert set(defaults.values()) == {automatic}
    shown = Notebook(monkeypatch, KERNEL)
    activations = og.planted(50).activations
    grouping = og.clusters(activations)
    assert len(shown.displays) == 1
    assert "correlations: " in shown.displays[0][-1]
    np.testing.assert_array_equal(grouping.numbers, og.clusters(activations, progress=silent).numbers)
    assert len(shown.displays) == 1
