"""The page of one neuron: what it is and belongs to, and what it responds to."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from onegrain.analyses.neurons.signs import SignCase, gate_and_up, sign_cases
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, address, changed, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.columns import neuron_column
from onegrain.explorer.edit_evidence import EditEvidence, edit_evidence
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.figures import Figure
from onegrain.explorer.orders import RANKING, Order, model_rankings, order_of
from onegrain.explorer.pages.neuron_evidence import Evidence, neuron_evidence
from onegrain.explorer.pages.neuron_figures import (
    clusters_figure,
    edit_figures,
    evidence_figures,
    partners_figure,
    ranks_figure,
    signs_figure,
)
from onegrain.explorer.pages.page import Page, Shell, chosen_store, neuron_index, shell_of
from onegrain.explorer.related import belongs
from onegrain.explorer.relations import (
    Membership,
    NeuronRank,
    Partner,
    memberships,
    neuron_ranks,
    partners_of,
)
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import reads_translations
from onegrain.records.activations import Activations
from onegrain.records.indexed_neuron import IndexedNeuron

__all__ = ["Identity", "Neighbour", "NeuronPage", "NeuronQuery", "neuron"]

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
    """What a neuron is.

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
        neuron: ``site:unit``; empty if there is none.
        address: its page.
    """

    key: str
    title: str
    neuron: str
    address: str


@dataclass(frozen=True)
class NeuronPage(Page):
    """The page of a neuron.

    Attributes:
        query: the state.
        identity: what it is.
        steps: its neighbours in the model, and in the chosen ranking.
        order: the chosen ranking, and the label if it is that of one; empty without rankings.
        ranks: its place in every ranking of the model.
        partners: neurons of other models that behave alike.
        clusters: the clusters that it belongs to.
        signs: the four cases of the signs of its factors, in a gated MLP whose store has both.
        evidence: what it responds to; None while the index of the store is being made.
        waiting: the address of the fragment that shows how far the index is; empty otherwise.
        edits: what editing it does, in sets as small as the records have.
        edit: the page on which it can be edited; empty if there is none.
        sweep: the page on which edits are measured; empty if there is none.
        command: the command that measures edits with this neuron, if no record has any.
        trial: the address of the fragment with the typed text; empty without a text.
        reads_translations: True if the neuron reads translations, so that a text to try needs its source.
        to_text: the page on which several neurons read a text, with this one pinned.
    """

    query: NeuronQuery
    shell: Shell
    figures: tuple[Figure, ...]
    identity: Identity
    steps: tuple[Neighbour, ...]
    order: str
    ranks: tuple[NeuronRank, ...]
    partners: tuple[Partner, ...]
    clusters: tuple[Membership, ...]
    signs: tuple[SignCase, ...]
    evidence: Evidence | None
    waiting: str
    edits: tuple[EditEvidence, ...]
    edit: str
    sweep: str
    command: str
    trial: str
    reads_translations: bool
    to_text: str


def neuron(explorer: Explorer, query: NeuronQuery) -> NeuronPage:
    """Return the page of a neuron in a state.

    Raises:
        NotFoundError: there is no store, or no such neuron, ranking, label or label layer.
    """
    collection = explorer.collection
    store = chosen_store(collection, query)
    activations = collection.store(store.name)
    order = _order(collection, store, activations, query)
    index = _chosen_neuron(activations, order, query)
    identity = _identity(store, activations, index)
    of_neuron = (collection, store, identity.site, identity.unit, identity.width)
    query = query.model_copy(update={"store": store.name, "neuron": identity.neuron})
    known = explorer.indexes.neuron(
        collection, store, index, lambda number: neuron_column(explorer, store, number)
    )
    indexed = known if isinstance(known, IndexedNeuron) else None
    ranks = tuple(neuron_ranks(*of_neuron, query, "" if order is None else order.entry.name))
    partners, clusters = tuple(partners_of(*of_neuron, query)), tuple(memberships(*of_neuron, query))
    signs, edits = _signs(activations, identity), edit_evidence(*of_neuron)
    evidence = None
    if indexed is not None:
        evidence = neuron_evidence(activations.corpus, indexed, query, query.layer, order)
    figures = [
        *([] if indexed is None or evidence is None else evidence_figures(indexed, evidence)),
        *edit_figures(edits, identity.neuron),
        *([ranks_figure(ranks)] if ranks else []),
        *([partners_figure(partners)] if partners else []),
        *([clusters_figure(clusters)] if clusters else []),
        *([signs_figure(signs)] if signs else []),
    ]
    pages = {name for name, _ in explorer.navigation}
    pins = query.pin if identity.neuron in query.pin else query.with_pin(identity.neuron).pin
    return NeuronPage(
        title=identity.neuron,
        shell=shell_of(explorer, "neuron", query),
        figures=tuple(figures),
        query=query,
        identity=identity,
        steps=_steps(activations, index, order, query),
        order="" if order is None else order.name,
        ranks=ranks,
        partners=partners,
        clusters=clusters,
        signs=signs,
        evidence=evidence,
        waiting="" if indexed is not None else link("neuron_index", query, back=_back(query)),
        edits=edits,
        edit=link("edit", query, neuron=identity.neuron) if "edit" in pages else "",
        sweep=_sweep(query, order) if "sweep" in pages else "",
        command=_command(identity, ranks),
        trial=link("typed", query, pin=(identity.neuron,), text=query.text) if query.text else "",
        reads_translations=reads_translations(activations.provenance),
        to_text=link("text", query, pin=pins, text=query.text),
    )


def _back(query: NeuronQuery) -> str:
    """Return the state of the page as the query of its address."""
    return address("neuron", query).partition("?")[2]


def _order(collection: Collection, store: Entry, activations: Activations, query: NeuronQuery) -> Order | None:
    """Return the chosen order, else that of the first ranking of the model; None if it has none."""
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
        raise NotFoundError(f"no ranking of {store.model} is here, so there is no order for {query.label!r}")
    return None if first is None else order_of(collection, first.name, query.label)


def _chosen_neuron(activations: Activations, order: Order | None, query: NeuronQuery) -> int:
    """Return the neuron of a state: the one that it names, else the first of the order, else the very first."""
    if query.neuron:
        return neuron_index(activations.space, query.neuron)
    for name in order.ranking.top(1) if order is not None else ():
        if name.rpartition(":")[0] in activations.space.sites:
            return neuron_index(activations.space, name)
    return 0


def _identity(store: Entry, activations: Activations, index: int) -> Identity:
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


def _steps(
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


def _signs(activations: Activations, identity: Identity) -> tuple[SignCase, ...]:
    pair = gate_and_up(identity.site, activations.space.sites)
    if pair is None:
        return ()
    gate, up = (f"{site}:{identity.unit}" for site in pair)
    return sign_cases(activations, gate, up)


def _sweep(query: NeuronQuery, order: Order | None) -> str:
    """Return the page on which edits of the chosen ranking's neurons are measured."""
    return link("sweep", query, ranking="" if order is None else order.entry.name)


def _command(identity: Identity, ranks: tuple[NeuronRank, ...]) -> str:
    """Return the command that measures edits of small sets with the neuron."""
    if not ranks:
        return f"onegrain steer {identity.model} TEXT --neuron {identity.neuron} --edit zero"
    best = min(ranks, key=lambda rank: rank.rank)
    counts = sorted({1, 2, 5, 10, best.rank})
    return (
        f"onegrain ablate {identity.model} {best.title}.parquet TEXT --metric perplexity "
        f"--counts {','.join(str(count) for count in counts if count <= best.neurons)} -o curve.parquet"
    )
