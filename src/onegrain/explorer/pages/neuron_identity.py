"""The neuron of a page: which one it is, the order within which it stands, and its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, address, changed
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.orders import RANKING, Order, model_rankings, order_of
from onegrain.explorer.pages.page import neuron_index
from onegrain.explorer.related import belongs
from onegrain.records.activations import Activations

__all__ = [
    "Identity",
    "Neighbour",
    "NeuronQuery",
    "chosen_neuron",
    "chosen_order",
    "identity_of",
    "neighbours_of",
]

LONGEST_TEXT = 4000


class NeuronQuery(PageQuery):
    """The state of a neuron's page."""

    neuron: str = Field("", max_length=LONGEST_NAME, description="Neuron, as site:unit; by default the first.")
    ranking: str = Field("", max_length=LONGEST_NAME, description="Ranking within which to go on.")
    label: str = Field("", max_length=LONGEST_NAME, description="Label whose order of the ranking is used.")
    layer: str = Field("", max_length=LONGEST_NAME, description="Label layer of the distributions.")
    text: str = Field("", max_length=LONGEST_TEXT, description="A text to try on the neuron.")


@dataclass(frozen=True)
class Identity:
    """The identity of a neuron.

    Attributes:
        neuron: ``site:unit``.
        index: its flat index in the store.
        site, unit, width: the site, the unit in it, and the number of its units.
        model, architecture: the model that it is part of.
        store, corpus: the store and the corpus on which its values were recorded.
        sentences, words: size of the corpus.
    """

    neuron: str
    index: int
    site: str
    unit: int
    width: int
    model: str
    architecture: str
    store: str
    corpus: str
    sentences: int
    words: int


@dataclass(frozen=True)
class Neighbour:
    """A neighbour to go to.

    Attributes:
        key: the key that leads to it.
        title: what it is.
        neuron: ``site:unit``; empty at an end.
        address: its page.
    """

    key: str
    title: str
    neuron: str
    address: str


def chosen_order(
    collection: Collection, store: Entry, activations: Activations, query: NeuronQuery
) -> Order | None:
    """Return the chosen order, else that of the first ranking of the model; None if it has none.

    Raises:
        NotFoundError: the ranking or label is unknown, or the ranking is of another model.
    """
    if query.ranking:
        entry = collection.entry(query.ranking, RANKING)
        if not belongs(collection, entry, store):
            raise NotFoundError(
                f"the ranking {query.ranking} is of the model {entry.model}, and the store {store.name} of "
                f"{store.model}; choose a store of {entry.model}"
            )
        return order_of(collection, query.ranking, query.label)
    widths = dict(zip(activations.space.sites, activations.space.widths, strict=True))
    site = query.neuron.rpartition(":")[0]
    sites = [site] if site in widths else list(widths)
    first = next((e for site in sites for e in model_rankings(collection, store, site, widths[site])), None)
    if query.label and first is None:
        raise NotFoundError(f"no ranking of {store.model} is here, so none has an order for {query.label!r}")
    return None if first is None else order_of(collection, first.name, query.label)


def chosen_neuron(activations: Activations, order: Order | None, query: NeuronQuery) -> int:
    """Return the neuron of a state: the one that it names, else the first of the order, else the very first.

    Raises:
        NotFoundError: the store does not have it.
    """
    if query.neuron:
        return neuron_index(activations.space, query.neuron)
    for name in order.ranking.top(1) if order is not None else ():
        if name.rpartition(":")[0] in activations.space.sites:
            return neuron_index(activations.space, name)
    return 0


def identity_of(store: Entry, activations: Activations, index: int) -> Identity:
    """Return the identity of a neuron by its flat index in a store."""
    site, unit = activations.space.locate(index)
    span = activations.space.slice(site)
    model = activations.provenance.subject()
    return Identity(
        neuron=f"{site}:{unit}",
        index=index,
        site=site,
        unit=unit,
        width=span.stop - span.start,
        model=store.model,
        architecture="" if model is None else model.architecture,
        store=store.name,
        corpus=store.corpus,
        sentences=activations.corpus.n_sentences,
        words=activations.corpus.n_words,
    )


def neighbours_of(
    activations: Activations, index: int, order: Order | None, query: NeuronQuery
) -> tuple[Neighbour, ...]:
    """Return the neighbours of a neuron in the store and in the order; empty steps at the ends."""
    space = activations.space

    def step(key: str, title: str, name: str) -> Neighbour:
        target = address("neuron", changed(query, neuron=name)) if name else ""
        return Neighbour(key, title, name, target)

    steps = [
        step("p", "previous unit", space.name(index - 1) if index else ""),
        step("n", "next unit", space.name(index + 1) if index + 1 < space.size else ""),
    ]
    if order is None:
        return tuple(steps)
    site, unit = space.locate(index)
    ranked = order.ranking
    if site in ranked.space.sites:
        place = int(order.places[ranked.space.index(site, unit)])
        neighbours = [place - 1, place + 1]
        titles = (f"before it in {order.name}", f"after it in {order.name}")
        for key, title, number in zip("ow", titles, neighbours, strict=True):
            name = ranked[number] if 0 <= number < len(ranked) else ""
            steps.append(step(key, title, name if name.rpartition(":")[0] in space.sites else ""))
    return tuple(steps)
