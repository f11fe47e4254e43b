"""The text page: sentences of a store coloured by the pinned neurons, filtered and sorted, or a typed text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from onegrain.errors import LabelError
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, address, changed, link
from onegrain.explorer.collection import Entry
from onegrain.explorer.columns import scale_of
from onegrain.explorer.errors import NotFoundError
from onegrain.explorer.figures import Figure
from onegrain.explorer.filters import EXAMPLES, Match
from onegrain.explorer.pages.activation_map import (
    MapNeuron,
    MapSentence,
    map_drawing,
    map_neurons,
    map_sentence,
    map_table,
)
from onegrain.explorer.pages.page import Page, Shell, chosen_store, neuron_index, pinned, shell_of
from onegrain.explorer.pages.paging import Paging, paging
from onegrain.explorer.pages.suggestions import Suggestion, suggested_neurons
from onegrain.explorer.sentences import SORTS, PassingSentences, Sort, find_sentences, parallel_corpus
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import reads_translations
from onegrain.explorer.work.models import model_place
from onegrain.records.corpus import Corpus

__all__ = ["FILTERS", "TextPage", "TextQuery", "blank_is", "text", "without_blanks"]

SENTENCES = 20
"""Sentences a page."""
FILTERS = 6
"""Filters in one address."""
MOST_LABELS = 300
"""Labels that the form suggests."""
LONGEST_FILTER = 300


def without_blanks(values: Any) -> Any:
    """Leave out what an empty field of a form sends."""
    return [value for value in values if value != ""] if isinstance(values, (list, tuple)) else values


def blank_is(default: Any) -> BeforeValidator:
    """Return a validator by which an empty field of a form means the default."""
    return BeforeValidator(lambda value: default if value == "" else value)


Filters = Annotated[
    tuple[Annotated[str, Field(max_length=LONGEST_FILTER)], ...],
    BeforeValidator(without_blanks),
    Field(max_length=FILTERS),
]


class TextQuery(PageQuery):
    """The state of the text page."""

    sentence: Annotated[int | None, blank_is(None)] = Field(
        None, ge=0, le=2**40, description="Show the page of this sentence, from 0, and mark it."
    )
    page: Annotated[int, blank_is(1)] = Field(1, ge=1, le=2**40, description="Page of 20 sentences, from 1.")
    sort: Sort = Field("corpus", description="Order of the sentences.")
    by: str = Field("", max_length=LONGEST_NAME, description="Neuron to sort by; the first pin by default.")
    filter: Filters = Field((), description="Filters, each KIND=VALUE.")
    match: Match = Field("all", description="How filters are combined: all or any for one word, or each.")
    layer: str = Field("", max_length=LONGEST_NAME, description="Label layer shown above the words.")
    text: str = Field("", max_length=100_000, description="A typed text.")
    source: str = Field("", max_length=100_000, description="What the typed text translates.")


@dataclass(frozen=True)
class TextPage(Page):
    """Sentences and a typed text.

    Attributes:
        query: the state.
        store: the store.
        model: why no text can be read by the model; empty if it can.
        typed: the address of the typed text's map, which the page loads after itself; empty without a text.
        longest_text: the largest number of characters of a typed text.
        needs_source: True if the neurons read translations, so that a typed text needs its source.
        neurons: the pinned neurons that the store has.
        suggestions: neurons to pin, if none is pinned.
        layers: the label layers.
        labels: labels that the filter form suggests, as ``label=LAYER=LABEL``.
        sorts: the orders and their names.
        examples: filters as examples.
        sentences: the sentences of this page.
        other_side: the source of the parallel sentences; empty without any.
        paging: which sentences they are, and the other pages.
    """

    query: TextQuery
    shell: Shell
    figures: tuple[Figure, ...]
    store: Entry
    model: str
    typed: str
    longest_text: int
    needs_source: bool
    neurons: tuple[MapNeuron, ...]
    suggestions: tuple[Suggestion, ...]
    layers: tuple[str, ...]
    labels: tuple[str, ...]
    sorts: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]
    sentences: tuple[MapSentence, ...]
    other_side: str
    paging: Paging


def text(explorer: Explorer, query: TextQuery) -> TextPage:
    """Return the text page in a state.

    Raises:
        NotFoundError: a neuron, a layer or a sentence that the store does not have, or that does not pass.
        ParameterError: a filter is not understood.
    """
    store = chosen_store(explorer.collection, query)
    activations = explorer.collection.store(store.name)
    corpus = activations.corpus
    require_layer(corpus, query.layer)
    indices = pinned(activations.space, query)
    by = neuron_index(activations.space, query.by) if query.by else (indices[0] if indices else None)
    passing = find_sentences(explorer, store, query.filter, query.match, query.sort, by)
    shown = paging("text", query, len(passing.sentences), SENTENCES, _page_of(passing, corpus, query))
    other = parallel_corpus(explorer.collection, store)
    neurons = _neurons(explorer, store, indices, query)
    sentences = _sentences(explorer, store, passing, shown, neurons, other, query)
    return TextPage(
        title="Text",
        query=query,
        shell=shell_of(explorer, "text", query),
        figures=_figures(sentences, neurons, query),
        store=store,
        model=_missing_model(explorer, store),
        typed=link("typed", query, text=query.text, source=query.source) if query.text.strip() else "",
        longest_text=explorer.settings.longest_text,
        needs_source=reads_translations(activations.provenance),
        neurons=neurons,
        suggestions=() if neurons else suggested_neurons(explorer, store, "text", query),
        layers=tuple(sorted(corpus.layers)),
        labels=_labels(corpus),
        sorts=tuple(SORTS.items()),
        examples=EXAMPLES,
        sentences=sentences,
        other_side="" if other is None else other.source,
        paging=shown,
    )


def require_layer(corpus: Corpus, layer: str) -> None:
    """Raise NotFoundError if an address names a label layer that a corpus does not have."""
    try:
        if layer:
            corpus.layer(layer)
    except LabelError as error:
        raise NotFoundError(str(error)) from error


def _page_of(passing: PassingSentences, corpus: Corpus, query: TextQuery) -> int:
    """Return the page to show: that of the sentence, if the address names one."""
    if query.sentence is None:
        return query.page
    if query.sentence >= corpus.n_sentences:
        raise NotFoundError(f"sentences are numbered 0 to {corpus.n_sentences - 1:,}, not {query.sentence:,}")
    places = np.flatnonzero(passing.sentences == query.sentence)
    if not places.size:
        raise NotFoundError(f"sentence {query.sentence:,} does not pass the filters; take them away to see it")
    return int(places[0]) // SENTENCES + 1


def _neurons(
    explorer: Explorer, store: Entry, indices: tuple[int, ...], query: TextQuery
) -> tuple[MapNeuron, ...]:
    space = explorer.collection.store(store.name).space
    scale = scale_of(explorer, store, indices)
    return map_neurons([space.name(index) for index in indices], scale.mean, scale.std, query)


def _sentences(
    explorer: Explorer,
    store: Entry,
    passing: PassingSentences,
    shown: Paging,
    neurons: tuple[MapNeuron, ...],
    other: Corpus | None,
    query: TextQuery,
) -> tuple[MapSentence, ...]:
    activations = explorer.collection.store(store.name)
    corpus = activations.corpus
    numbers = passing.sentences[shown.start : shown.stop].tolist()
    scores = passing.scores[shown.start : shown.stop].tolist()
    indices = [activations.space.parse(neuron.name) for neuron in neurons]
    rows = [np.arange(*corpus.offsets[number : number + 2]) for number in numbers]
    values = activations.take(np.concatenate(rows), indices) if indices and numbers else None
    ends = np.cumsum([len(words) for words in rows]).tolist()
    sentences = []
    for place, (number, end) in enumerate(zip(numbers, ends, strict=True)):
        size = len(rows[place])
        words = map_sentence(
            corpus,
            number,
            np.empty((size, 0), dtype=np.float32) if values is None else values[end - size : end],
            neurons,
            layer=query.layer,
            marked=passing.marked,
        )
        sentences.append(
            MapSentence(
                number=number,
                words=words,
                other="" if other is None else " ".join(other.sentence(number)),
                score=scores[place],
                address=f"{address('text', changed(query, sentence=number, page=1))}#s{number}",
                current=number == query.sentence,
            )
        )
    return tuple(sentences)


def _figures(
    sentences: tuple[MapSentence, ...], neurons: tuple[MapNeuron, ...], query: TextQuery
) -> tuple[Figure, ...]:
    caption = (
        f"Values and deviations of {len(neurons)} neuron{'s' * (len(neurons) != 1)} at each word of this page."
    )
    figures = [Figure("words", "Words of this page", None, map_table(sentences, neurons, query.layer), caption)]
    for sentence in sentences:
        drawing = map_drawing(sentence.words, neurons) if sentence.current else None
        if drawing is not None:
            table = map_table([sentence], neurons, query.layer)
            title = f"Sentence {sentence.number:,}"
            figures.insert(0, Figure("sentence", title, drawing, table, " ".join(drawing.columns)))
    return tuple(figures)


def _missing_model(explorer: Explorer, store: Entry) -> str:
    try:
        model_place(explorer.collection, store)
    except NotFoundError as error:
        return str(error)
    return ""


def _labels(corpus: Corpus) -> tuple[str, ...]:
    known = [
        f"label={name}={label}" for name in sorted(corpus.layers) for label in corpus.layers[name].vocabulary
    ]
    return tuple(known[:MOST_LABELS])
