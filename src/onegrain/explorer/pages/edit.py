"""Edit: choose what some neurons do, and read what the model writes then."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onegrain.errors import OnegrainError
from onegrain.explorer.addresses import address, link
from onegrain.explorer.collection import Entry
from onegrain.explorer.columns import statistics_of
from onegrain.explorer.edit_query import KINDS, OPTIMAL, PLACES, EditQuery, Kind
from onegrain.explorer.edited_neurons import edited_neurons
from onegrain.explorer.edited_text import shown_text
from onegrain.explorer.edits import constants_of
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.edit_ranking import RankedNeurons, ranked_neurons, rankings_on_offer
from onegrain.explorer.pages.page import Page, Shell, chosen_store, shell_of
from onegrain.explorer.state import Explorer
from onegrain.explorer.tasks import architecture_of, continues, translates
from onegrain.records.activations import Activations

__all__ = ["EditPage", "NeuronSlider", "edit", "sliders_of"]

BEYOND = 0.5
"""Part of the range of a neuron's values that its slider goes beyond each end."""
STEPS = 100
"""A slider has at least as many steps; a step is a power of ten."""
MOST_LABELS = 60
"""Labels of a layer that is offered; layers with more are left out."""


@dataclass(frozen=True)
class NeuronSlider:
    """A slider for the value of one neuron.

    Attributes:
        neuron: ``site:unit``.
        address: its page.
        remove: this page without the neuron.
        minimum, mean, maximum: over the words of the store.
        low, high, step: range and step of the slider.
        value: where it stands.
        marks: (title, value, place along the slider in percent) of minimum, mean and maximum.
    """

    neuron: str
    address: str
    remove: str
    minimum: float
    mean: float
    maximum: float
    low: float
    high: float
    step: float
    value: float
    marks: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class EditPage(Page):
    """The page on which an edit is chosen.

    Attributes:
        query: the state.
        model: the model's name.
        sliders: the pinned and named neurons, each with its slider.
        ranked: the first neurons of a ranking; None if the address names no ranking.
        rankings: names and titles of the rankings on offer.
        kinds: the kinds of edits on offer, each with a sentence.
        constants: names and titles of the records of constants on offer.
        places: names and titles of the places.
        labels: (layer, its labels) on offer for places and means.
        text: the text that is read: typed, or the sentence of the store; empty without either.
        sentences: number of sentences of the store.
        longest_text: largest number of characters of a typed text.
        most_neurons: largest number of neurons of an edit.
        writes: True if the model writes a text, as far as the name of its class says.
        result: the address of the fragment that shows what the model does; empty without neurons or a text.
        fault: what is wrong with the text or the place; empty if nothing is.
    """

    query: EditQuery
    shell: Shell
    figures: tuple[Figure, ...]
    model: str
    sliders: tuple[NeuronSlider, ...]
    ranked: RankedNeurons | None
    rankings: tuple[tuple[str, str], ...]
    kinds: tuple[Kind, ...]
    constants: tuple[tuple[str, str], ...]
    places: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, tuple[str, ...]], ...]
    text: str
    sentences: int
    longest_text: int
    most_neurons: int
    writes: bool
    result: str
    fault: str


def edit(explorer: Explorer, query: EditQuery) -> EditPage:
    """Return the page of an edit. It runs no model; the fragment at ``result`` does."""
    store = chosen_store(explorer.collection, query)
    activations = explorer.collection.store(store.name)
    architecture = architecture_of(activations.provenance)
    neurons = edited_neurons(explorer, store, query)
    sliders = sliders_of(explorer, store, neurons.named, query)
    constants = tuple((entry.name, entry.title) for entry in constants_of(explorer.collection, store))
    text, fault = "", ""
    try:
        corpus = shown_text(explorer, activations, query)
        text = "" if corpus is None else " ".join(corpus.words)
    except OnegrainError as error:
        fault = str(error)
    rows = [(slider.neuron, slider.minimum, slider.mean, slider.maximum, slider.value) for slider in sliders]
    table = FigureTable.of(("neuron", "minimum", "mean", "maximum", "value"), rows)
    return EditPage(
        title="Edit",
        query=query,
        shell=shell_of(explorer, "edit", query),
        figures=(Figure("neurons", "Neurons", None, table, "Over the words of the store."),),
        model=store.model,
        sliders=sliders,
        ranked=ranked_neurons(explorer, neurons, query),
        rankings=rankings_on_offer(explorer.collection, store),
        kinds=tuple(kind for kind in KINDS if constants or kind.name != OPTIMAL or query.kind == OPTIMAL),
        constants=constants,
        places=PLACES,
        labels=_labels(activations),
        text=text,
        sentences=activations.corpus.n_sentences,
        longest_text=explorer.settings.longest_text,
        most_neurons=explorer.settings.most_neurons,
        writes=continues(architecture) or translates(architecture),
        result=address("edit-result", query) if neurons.names and (text or fault) else "",
        fault=fault,
    )


def sliders_of(
    explorer: Explorer, store: Entry, neurons: tuple[str, ...], query: EditQuery
) -> tuple[NeuronSlider, ...]:
    """Return a slider for each neuron, at the value of the address or else at the neuron's maximum."""
    activations = explorer.collection.store(store.name)
    values = query.value * len(neurons) if len(query.value) == 1 else query.value
    sliders = []
    for number, name in enumerate(neurons):
        statistics = statistics_of(explorer, store, activations.space.parse(name))
        least, mean, most = statistics.minimum, statistics.mean, statistics.maximum
        reach = BEYOND * ((most - least) or abs(most) or 1.0)
        digits = math.ceil(-math.log10((most - least + 2 * reach) / STEPS))
        value = values[number] if number < len(values) else round(most, digits)
        low, high = min(round(least - reach, digits), value), max(round(most + reach, digits), value)
        marks = [("min", least), ("mean", mean), ("max", most)]
        sliders.append(
            NeuronSlider(
                neuron=name,
                address=link("neuron", query, neuron=name),
                remove=_without(query, name),
                minimum=least,
                mean=mean,
                maximum=most,
                low=low,
                high=high,
                step=10.0**-digits,
                value=value,
                marks=tuple((title, mark, 100 * (mark - low) / (high - low)) for title, mark in marks),
            )
        )
    return tuple(sliders)


def _without(query: EditQuery, neuron: str) -> str:
    """Return the address of the page without a neuron; values go with their neurons, so they are dropped."""
    update = {
        "pin": tuple(name for name in query.pin if name != neuron),
        "neuron": tuple(name for name in query.neuron if name != neuron),
        "value": (),
    }
    return address("edit", query.model_copy(update=update))


def _labels(activations: Activations) -> tuple[tuple[str, tuple[str, ...]], ...]:
    layers = activations.corpus.layers.values()
    return tuple((layer.name, layer.vocabulary) for layer in layers if len(layer.vocabulary) <= MOST_LABELS)
