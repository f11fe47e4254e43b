"""A typed text coloured by the pinned neurons, a fragment that pages load after themselves."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from onegrain.errors import ParameterError
from onegrain.explorer.addresses import PageQuery
from onegrain.explorer.columns import scale_of
from onegrain.explorer.figures import Figure
from onegrain.explorer.pages.activation_map import (
    MapNeuron,
    MapSentence,
    map_drawing,
    map_neurons,
    map_sentence,
    map_table,
)
from onegrain.explorer.pages.page import Page, Shell, chosen_store, pinned, shell_of
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import activations_of_text

__all__ = ["TypedPage", "TypedQuery", "typed_text"]


class TypedQuery(PageQuery):
    """The state of a typed text: the text, and what it translates if the neurons read translations."""

    text: str = Field("", max_length=100_000, description="The text; each line is a sentence.")
    source: str = Field("", max_length=100_000, description="What the text translates, line by line.")


@dataclass(frozen=True)
class TypedPage(Page):
    """A typed text.

    Attributes:
        query: the state.
        neurons: the pinned neurons.
        sentences: its lines.
        lowered: True if it was read in lower case, because the words of the store are.
    """

    query: TypedQuery
    shell: Shell
    figures: tuple[Figure, ...]
    neurons: tuple[MapNeuron, ...]
    sentences: tuple[MapSentence, ...]
    lowered: bool


def typed_text(explorer: Explorer, query: TypedQuery) -> TypedPage:
    """Return the values of the pinned neurons at the words of a typed text, as the store's model gives them.

    Raises:
        NotFoundError: the model is not in the collection.
        ParameterError: no neuron is pinned, or the text has no word or is too long.
    """
    store = chosen_store(explorer.collection, query)
    space = explorer.collection.store(store.name).space
    indices = pinned(space, query)
    if not indices:
        raise ParameterError("pin a neuron first: its values colour the words")
    typed = activations_of_text(explorer, store, query.text, indices, query.source)
    scale = scale_of(explorer, store, indices)
    neurons = map_neurons(typed.neurons, scale.mean, scale.std, query)
    sentences = []
    for number in range(typed.corpus.n_sentences):
        start, stop = (int(edge) for edge in typed.corpus.offsets[number : number + 2])
        words = map_sentence(typed.corpus, number, typed.values[start:stop], neurons)
        sentences.append(MapSentence(number, words))
    drawing = map_drawing(sentences[0].words, neurons) if len(sentences) == 1 else None
    caption = "Values and deviations at each word of the typed text."
    figure = Figure("typed", "Typed text", drawing, map_table(sentences, neurons, ""), caption)
    return TypedPage(
        title="Typed text",
        query=query,
        shell=shell_of(explorer, "typed", query),
        figures=(figure,),
        neurons=neurons,
        sentences=tuple(sentences),
        lowered=typed.lowered,
    )
