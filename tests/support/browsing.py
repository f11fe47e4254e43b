"""A visitor of the explorer in a real browser, who hears what its pages complain of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

__all__ = ["PINS", "STORE", "Visitor"]

STORE = "store=activations%2Fnlm-1--test"
PINS = f"{STORE}&pin=layers.0%3A1&pin=layers.1%3A2"
LOADED = "() => !document.querySelector('.later, .htmx-request') && document.readyState === 'complete'"


@dataclass
class Visitor:
    """A browser window, and what its pages complained of and asked for."""

    page: Any
    base: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._heard)
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, address: str) -> None:
        """Open an address, and wait until its fragments have arrived."""
        answer = self.page.goto(urljoin(self.base, address))
        assert answer.status == 200, (address, answer.status)
        self.settle()

    def settle(self) -> None:
        """Wait until no fragment is missing."""
        self.page.wait_for_load_state()
        self.page.wait_for_function(LOADED)

    def require_quiet(self) -> None:
        """Check that nothing complained, and that nothing was asked of another host."""
        assert self.complaints == []
        hosts = {urlsplit(url).netloc for url in self.requests if not url.startswith(("data:", "blob:"))}
        assert hosts == {urlsplit(self.base).netloc}
