"""The page of one neuron: what it is and belongs to, and what it responds to."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.analyses.neurons.signs import SignCase, gate_and_up, sign_cases
from onegrain.explorer.addresses import address, link
from onegrain.explorer.columns import neuron_column
from onegrain.explorer.edit_evidence import EditEvidence, edit_evidence
from onegrain.explorer.figures import Figure
from onegrain.explorer.orders import Order
from onegrain.explorer.pages.neuron_evidence import Evidence, neuron_evidence
from onegrain.explorer.pages.neuron_figures import (
    clusters_figure,
    edit_figures,
    evidence_figures,
    partners_figure,
    ranks_figure,
    signs_figure,
)
from onegrain.explorer.pages.neuron_identity import (
    Identity,
    Neighbour,
    NeuronQuery,
    chosen_neuron,
    chosen_order,
    identity_of,
    neighbours_of,
)
from onegrain.explorer.pages.page import Page, Shell, chosen_store, shell_of
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

__all__ = ["NeuronPage", "neuron"]


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
        edit: the page on which it can be edited; empty without such a page.
        sweep: the page on which edits are measured; empty without such a page.
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
        NotFoundError: no store is here, or the neuron, ranking, label or label layer is unknown.
    """
    collection = explorer.collection
    store = chosen_store(collection, query)
    activations = collection.store(store.name)
    order = chosen_order(collection, store, activations, query)
    index = chosen_neuron(activations, order, query)
    identity = identity_of(store, activations, index)
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
        steps=neighbours_of(activations, index, order, query),
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
