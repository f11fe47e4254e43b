"""What a visitor does: pins, typed texts, addresses that are shared, and the keyboard."""

from __future__ import annotations

from typing import Any

from onegrain.explorer.pages.registry import NAVIGATION
from support.browsing import PINS, STORE


def test_a_pin_goes_along_and_an_address_can_be_shared(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/rankings?{STORE}")
    visitor.page.locator("a.pin").first.click()
    visitor.settle()
    pinned = visitor.page.locator(".pins li a").first.inner_text()
    assert pinned.partition(":")[2].isdigit()
    visitor.page.get_by_role("link", name="Text", exact=True).click()
    visitor.settle()
    assert visitor.page.locator(".pins li a").first.inner_text() == pinned
    words = visitor.page.locator("[data-level]").count()
    assert words > 20
    other = visit(width=390, theme="dark")
    other.go(visitor.page.url)
    assert other.page.locator(".pins li a").first.inner_text() == pinned
    assert other.page.locator("[data-level]").count() == words
    other.page.get_by_role("link", name=f"Unpin {pinned}").first.click()
    other.settle()
    assert other.page.locator(".pins").count() == 0
    for window in (visitor, other):
        window.require_quiet()


def test_a_typed_text_is_read_by_the_model(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/text?{PINS}")
    visitor.page.locator("#typed-text").fill("the dog sleeps <b>now</b> .")
    visitor.page.locator("form:has(#typed-text) button").first.click()
    visitor.settle()
    typed = visitor.page.get_by_role("region", name="Typed text")
    assert "<b>now</b>" in typed.inner_text()
    assert typed.locator("[data-level]").count() >= 5
    assert "text=the+dog" in visitor.page.url
    visitor.require_quiet()


def test_the_keyboard_suffices(visit: Any) -> None:
    visitor = visit()
    visitor.go(f"/overview?{PINS}")
    keyboard = visitor.page.keyboard
    keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.className") == "skip"
    keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "main"
    for number, (name, _) in enumerate(NAVIGATION[:4], 1):
        keyboard.press(str(number))
        visitor.page.wait_for_url(f"**/{name}?**")
        visitor.settle()
    visitor.page.locator("[data-word]").first.focus()
    keyboard.press("ArrowRight")
    places = "[...document.querySelectorAll('[data-word]')].indexOf(document.activeElement)"
    assert visitor.page.evaluate(places) == 1
    visitor.go(f"/neuron?{PINS}&neuron=layers.0%3A3")
    keyboard.press("n")
    visitor.page.wait_for_url("**neuron=layers.0%3A4*")
    visitor.settle()
    keyboard.press("p")
    visitor.page.wait_for_url("**neuron=layers.0%3A3*")
    visitor.settle()
    keyboard.press("/")
    assert visitor.page.evaluate("document.activeElement.hasAttribute('data-search-box')")
    visitor.require_quiet()
