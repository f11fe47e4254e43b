"""A browser, and windows of it on the study's explorer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from onegrain.explorer import RunningExplorer
from support.browsing import Visitor
from support.chromium import opened_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, served: RunningExplorer) -> Iterator[Any]:
    """Return a function that opens a new window, of another visitor."""
    contexts = []

    def open_window(width: int = 1280, theme: str = "light", **options: Any) -> Visitor:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce", **options
        )
        contexts.append(context)
        return Visitor(context.new_page(), served.url)

    yield open_window
    for context in contexts:
        context.close()
