"""Addresses of pages, which carry the whole state of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MOST_PINS", "PageQuery", "address", "changed", "form_fields", "link"]

MOST_PINS = 20
LONGEST_NAME = 400


class PageQuery(BaseModel):
    """The part of an address that every page understands: the store, and the pinned neurons in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: str = Field("", max_length=LONGEST_NAME, description="Store of activations, by its name.")
    pin: tuple[str, ...] = Field((), max_length=MOST_PINS, description="Pinned neurons, each as site:unit.")

    def with_pin(self, neuron: str) -> PageQuery:
        """Return the same state with a neuron pinned, or unpinned if it was; of 20 pins the oldest leaves."""
        pins = tuple(name for name in self.pin if name != neuron)
        return changed(self, pin=pins if neuron in self.pin else (*pins, neuron)[-MOST_PINS:])


def changed(query: PageQuery, **values: Any) -> PageQuery:
    """Return a query with some values replaced, validated again."""
    return type(query).model_validate({**query.model_dump(), **values})


def address(page: str, query: PageQuery, suffix: str = "") -> str:
    """Return the address of a page in a state; values that are the defaults are left out.

    >>> address("text", PageQuery(store="nlm 1", pin=("layers.0:3",)))
    '/text?store=nlm+1&pin=layers.0%3A3'
    """
    values = query.model_dump(exclude_defaults=True)
    text = urlencode({name: _texts(value) for name, value in values.items()}, doseq=True)
    return f"/{page}{suffix}" + (f"?{text}" if text else "")


def link(page: str, query: PageQuery, /, **values: Any) -> str:
    """Return the address of another page that keeps the store and the pins of this one.

    >>> link("neuron", PageQuery(store="nlm-1"), neuron="layers.0:3")
    '/neuron?store=nlm-1&neuron=layers.0%3A3'
    """
    shared = {"store": query.store, "pin": query.pin, **values}
    text = urlencode(
        {name: _texts(value) for name, value in shared.items() if value not in ("", (), None)}, doseq=True
    )
    return f"/{page}" + (f"?{text}" if text else "")


def form_fields(query: PageQuery, left_out: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return the names and values of a state as the hidden fields of a form carry them.

    >>> form_fields(PageQuery(store="nlm-1", pin=("layers.0:3",)), ["store"])
    [('pin', 'layers.0:3')]
    """
    values = query.model_dump(exclude_defaults=True)
    listed = {name: _texts(value) for name, value in values.items() if name not in left_out}
    return [
        (name, text)
        for name, value in listed.items()
        for text in (value if isinstance(value, list) else [value])
    ]


def _texts(value: Any) -> Any:
    """Return a value of a query as texts for an address."""
    if isinstance(value, (tuple, list)):
        return [_texts(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
