"""A visitor that follows every link, fragment and form of the explorer, a few states of each page."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

from starlette.testclient import TestClient

__all__ = ["Element", "Markup", "crawl", "parse"]

LINKS = ("href", "hx-get", "data-chart", "src")
STATES = 3


@dataclass(frozen=True)
class Element:
    """A start tag: its name and its attributes."""

    tag: str
    attributes: dict[str, str]


@dataclass
class Markup:
    """The start tags of a page, and its text."""

    elements: list[Element] = field(default_factory=list)
    text: str = ""

    def links(self) -> Iterator[str]:
        """Yield every address that the page leads to or loads, also those of its choices."""
        for element in self.elements:
            yield from (element.attributes[name] for name in LINKS if element.attributes.get(name))
            value = element.attributes.get("value", "")
            if element.tag == "option" and value.startswith("/"):
                yield value

    def forms(self, text: str) -> Iterator[str]:
        """Yield the address of every form that asks, once as it is and once with a text in its text fields."""
        for number, element in enumerate(self.elements):
            if element.tag == "form" and element.attributes.get("method", "get").lower() == "get":
                fields = self._fields(number + 1)
                action = element.attributes.get("action", "")
                for typed in ("", text):
                    values = [(name, typed or value if is_text else value) for name, value, is_text in fields]
                    yield f"{action}?{urlencode([(name, value) for name, value in values if value])}"

    def _fields(self, start: int) -> list[tuple[str, str, bool]]:
        """Return (name, value, is a text) of the fields behind a form's tag, up to the next form."""
        fields = []
        for element in self.elements[start:]:
            if element.tag == "form":
                break
            name, kind = element.attributes.get("name"), element.attributes.get("type", "text")
            if not name:
                continue
            is_text = element.tag == "textarea" or (element.tag == "input" and kind in ("text", "search"))
            if is_text or kind in ("hidden", "number", "range"):
                fields.append((name, element.attributes.get("value", ""), is_text))
        return fields


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.markup = Markup()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.markup.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.markup.text += data


def parse(html: str) -> Markup:
    """Return the elements and the text of a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.markup


def crawl(client: TestClient, *, text: str = "", most: int = 150) -> Iterator[tuple[str, object]]:
    """Yield (address, answer) of the pages, fragments and files that can be reached from the overview.

    Args:
        client: asks the explorer.
        text: typed into every text field.
        most: the largest number of addresses; of each path and set of parameters only a few states are asked.
    """
    waiting, known, states = deque(["/overview"]), {"/overview"}, Counter()
    while waiting and most:
        address = waiting.popleft()
        most -= 1
        answer = client.get(address)
        yield address, answer
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        markup = parse(answer.text)
        for target in [*markup.links(), *markup.forms(text)]:
            target = urljoin(address, target).partition("#")[0]
            parts = urlsplit(target)
            names = tuple(sorted({pair.partition("=")[0] for pair in parts.query.split("&")}))
            if parts.scheme or parts.netloc or target in known or states[parts.path, names] >= STATES:
                continue
            known.add(target)
            states[parts.path, names] += 1
            waiting.append(target)
