"""The parts of every page: its state, the navigation, the stores to choose from, and the pinned neurons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onegrain.explorer.addresses import PageQuery, address, changed, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.figures import Figure
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS
from onegrain.records.space import NeuronSpace

__all__ = ["Choice", "Page", "PageKind", "Pin", "Shell", "chosen_store", "neuron_index", "pinned", "shell_of"]


@dataclass(frozen=True)
class Choice:
    """Something that a reader may choose, and the address of the page with it chosen."""

    name: str
    title: str
    address: str
    current: bool = False


@dataclass(frozen=True)
class Pin:
    """A pinned neuron.

    Attributes:
        neuron: ``site:unit``.
        address: its page.
        unpin: this page without the pin.
    """

    neuron: str
    address: str
    unpin: str


@dataclass(frozen=True)
class Shell:
    """The frame of a page.

    Attributes:
        collection: the title of the collection.
        pages: the pages to go to, with the store and pins of this one.
        stores: the stores to choose from.
        pins: the pinned neurons of the store.
        here: the address of this page in its state.
        data: the address of this page as JSON.
    """

    collection: str
    pages: tuple[Choice, ...]
    stores: tuple[Choice, ...]
    pins: tuple[Pin, ...]
    here: str
    data: str


@dataclass(frozen=True)
class Page:
    """A page: what its template shows, and its JSON says.

    Attributes:
        title: the heading.
        shell: the frame.
        figures: the figures in the order of the page, each with a table and files of its own.
    """

    title: str
    shell: Shell
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        """Return the figure of a name.

        Raises:
            NotFoundError: the page has none of that name.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        names = ", ".join(figure.name for figure in self.figures) or "none"
        raise NotFoundError(f"this page has no figure {name!r}; it has: {names}")


@dataclass(frozen=True)
class PageKind:
    """A kind of page, as the router needs it.

    Attributes:
        name: its address after the first slash, and the name of its template.
        title: its name in the navigation; empty for fragments and pages that others lead to.
        query: the type of its state.
        result: the type of its context.
        build: fills the context.
        shown_on: the page on which a fragment stands. When that page loads the fragment, the browser shows
            the address of the page in the same state.
        lasting: True if the page is a function of the records and its address, so that browsers may keep it.
    """

    name: str
    title: str
    query: type[PageQuery]
    result: type[Any]
    build: Callable[[Explorer, Any], Any]
    lasting: bool = True
    shown_on: str = ""


def shell_of(explorer: Explorer, page: str, query: PageQuery) -> Shell:
    """Return the frame of a page in a state."""
    collection = explorer.collection
    current = _current_store(collection, query)
    return Shell(
        collection=collection.title,
        pages=tuple(
            Choice(name, title, link(name, query), current=name == page) for name, title in explorer.navigation
        ),
        stores=tuple(
            Choice(
                entry.name,
                entry.title,
                address(page, changed(query, store=entry.name)),
                current=current is not None and entry.name == current.name,
            )
            for entry in collection.of_kind(ACTIVATIONS)
        ),
        pins=tuple(
            Pin(name, link("neuron", query, neuron=name), address(page, query.with_pin(name)))
            for name in query.pin
        ),
        here=address(page, query),
        data=address(page, query, ".json"),
    )


def _current_store(collection: Collection, query: PageQuery) -> Entry | None:
    """Return the store of a state: the one that it names, else the first."""
    if query.store:
        return collection.entry(query.store, ACTIVATIONS)
    stores = collection.of_kind(ACTIVATIONS)
    return stores[0] if stores else None


def chosen_store(collection: Collection, query: PageQuery) -> Entry:
    """Return the store of a state: the one that it names, else the first.

    Raises:
        NotFoundError: it names none of the collection's, or the collection has none.
    """
    entry = _current_store(collection, query)
    if entry is None:
        raise NotFoundError(
            "no store of activations is here; make one with onegrain extract, and give it to onegrain explore"
        )
    return entry


def neuron_index(space: NeuronSpace, name: str) -> int:
    """Return the flat index of a neuron that an address names.

    Raises:
        NotFoundError: the store has no such neuron.
    """
    try:
        return space.parse(name)
    except (ValueError, KeyError) as error:
        raise NotFoundError(f"no neuron {name!r} in this store: {error}") from error


def pinned(space: NeuronSpace, query: PageQuery) -> tuple[int, ...]:
    """Return the flat indices of the pinned neurons that a store has."""
    indices = []
    for name in query.pin:
        try:
            indices.append(space.parse(name))
        except (ValueError, KeyError):
            continue
    return tuple(indices)
