"""Edits that an address names: the kinds on offer, the neurons, the places, and the text that is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from onegrain.errors import ParameterError
from onegrain.explorer.addresses import PageQuery
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.expressions import matching
from onegrain.explorer.recent import Recent
from onegrain.explorer.state import Explorer
from onegrain.explorer.typed import reads_translations, typed_corpus
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer

if TYPE_CHECKING:
    from onegrain.interventions import Intervention, Where
    from onegrain.records.statistics import NeuronStatistics

__all__ = [
    "KINDS",
    "MATCH",
    "PLACES",
    "EditQuery",
    "Kind",
    "chosen_neurons",
    "edit_text",
    "interventions_of",
    "reference_of",
    "shown_text",
]

MOST_NAMED = 200
MOST_REFERENCES = 4
"""Statistics of sites that stay in memory."""
MATCH = "match"
"""The label layer of a text whose words a regular expression labels ``yes``."""

CONTINUING = ("ForCausalLM", "LMHead", "LSTMLanguageModel")
"""Parts of the names of classes that continue a text."""

KindName = Literal["zero", "mean", "mode", "resample", "clamp", "scale", "add", "other"]
PlaceName = Literal["everywhere", "label", "regex", "positions", "prompt", "generated"]


@dataclass(frozen=True)
class Kind:
    """A kind of edit.

    Attributes:
        name: its name in addresses.
        title: what it does, in a few words.
        explanation: one sentence.
    """

    name: KindName
    title: str
    explanation: str


KINDS = (
    Kind("zero", "Set to zero", "The neurons give 0, as if they were silent."),
    Kind("clamp", "Set to a value", "Each neuron gives the value of its slider at every place."),
    Kind("scale", "Multiply", "The values are multiplied: 0 silences them, −1 turns them round."),
    Kind("add", "Add", "A number is added to the values."),
    Kind("mean", "Set to the mean", "Each neuron gives its mean over the store, or over the words of a label."),
    Kind("mode", "Set to the mode", "Each neuron gives the value that it has most often in the store."),
    Kind("resample", "Resample", "The neurons give their values at words drawn from the store."),
    Kind("other", "Other", "Any edit as onegrain writes it, such as range(edit=zero, low=1)."),
)
"""The kinds of edits on offer."""

PLACES: tuple[tuple[PlaceName, str], ...] = (
    ("everywhere", "everywhere"),
    ("label", "words with a label"),
    ("regex", "words that match"),
    ("positions", "positions"),
    ("prompt", "the prompt"),
    ("generated", "what is generated"),
)
"""Names and titles of the places on offer."""


class EditQuery(PageQuery):
    """The state of an edit: neurons, kind, place and text."""

    neuron: tuple[str, ...] = Field((), max_length=MOST_NAMED, description="Neurons besides the pinned ones.")
    kind: KindName = Field("clamp", description="Kind of edit.")
    value: tuple[Annotated[float, Field(allow_inf_nan=False)], ...] = Field(
        (),
        max_length=MOST_NAMED + 20,
        description="For clamp: the value of each neuron, or one for all; each neuron's maximum by default.",
    )
    factor: float = Field(2.0, ge=-1e6, le=1e6, description="For scale: the factor.")
    amount: float = Field(1.0, ge=-1e6, le=1e6, description="For add: the number.")
    label: str = Field("", max_length=300, description="For mean: LAYER=LABEL, whose words give the mean.")
    other: str = Field("", max_length=500, description="For other: the edit as text.")
    where: PlaceName = Field("everywhere", description="Where the edit applies.")
    words: str = Field("", max_length=300, description="For label: LAYER=LABEL.")
    regex: str = Field("", max_length=200, description="For regex: an expression that matches all of a word.")
    positions: str = Field("", max_length=200, description="For positions: numbers with commas between them.")
    text: str = Field("", max_length=100_000, description="The text; by default the sentence of the store.")
    sentence: int = Field(0, ge=0, description="Without a text: a sentence of the store.")
    max_new_tokens: int = Field(30, ge=1, le=200, description="Largest number of subwords to write.")


def chosen_neurons(explorer: Explorer, activations: Activations, query: EditQuery) -> tuple[str, ...]:
    """Return the neurons of an edit, the pinned ones first, each once.

    Raises:
        ParameterError: the store does not have one, or there are too many.
    """
    names = tuple(dict.fromkeys((*query.pin, *query.neuron)))
    if len(names) > explorer.settings.most_neurons:
        raise ParameterError(f"an edit may have up to {explorer.settings.most_neurons} neurons")
    for name in names:
        try:
            activations.space.parse(name)
        except (ValueError, KeyError) as error:
            raise ParameterError(f"this store has no neuron {name!r}; unpin it, or choose its store") from error
    return names


def shown_text(explorer: Explorer, activations: Activations, query: EditQuery) -> Corpus | None:
    """Return the text as a corpus of one sentence, with a layer of the words that a regular expression matches.

    It is the typed text, else the sentence of the store, of which a language model gets the first half to
    continue; None if the store has the words of translations, which
    are not what the model reads, and no text is typed.

    Raises:
        ParameterError: the text is too long or has several lines, or the store has no such sentence.
    """
    if query.text.strip():
        corpus, _ = typed_corpus(explorer, activations, " ".join(query.text.split()))
    elif reads_translations(activations.provenance):
        return None
    else:
        corpus = activations.corpus
        if query.sentence >= corpus.n_sentences:
            raise ParameterError(f"the store has the sentences 0 to {corpus.n_sentences - 1}")
        corpus = corpus.select([query.sentence])
        if _continues(activations):
            corpus = _beginning(corpus)
    if query.where != "regex":
        return corpus
    if not query.regex:
        raise ParameterError("give the expression that words have to match")
    matches = matching(query.regex, corpus.words)
    if not matches:
        raise ParameterError(f"no word of the text matches {query.regex!r}")
    return corpus.with_layer(
        LabelLayer.from_labels(MATCH, ["yes" if word in matches else "no" for word in corpus.words])
    )


def _continues(activations: Activations) -> bool:
    """Return True if the model of a store is a language model, by the name of its class."""
    model = activations.provenance.subject()
    return model is not None and any(mark in model.architecture for mark in CONTINUING)


def _beginning(sentence: Corpus) -> Corpus:
    """Return the first half of the words of a corpus of one sentence, rounded up."""
    words = np.arange((sentence.n_words + 1) // 2)
    return Corpus(
        sentence.words[: len(words)],
        np.array([0, len(words)], dtype=np.int64),
        {name: layer.take(words) for name, layer in sentence.layers.items()},
        sentence.source,
        running=None if sentence.running is None else sentence.running.take(words),
    )


def interventions_of(query: EditQuery, neurons: Sequence[str], values: Sequence[float]) -> list[Intervention]:
    """Return the edit of an address; neurons that are clamped to different values have one each.

    Args:
        query: the address.
        neurons: the neurons as ``site:unit``.
        values: the value to which each neuron is clamped.

    Raises:
        ParameterError: there is no neuron, or a parameter is missing or refused.
    """
    from onegrain.interventions import Intervention

    if not neurons:
        raise ParameterError("pin a neuron, or name one")
    where = _where(query)
    if query.kind != "clamp":
        return [Intervention.of(list(neurons), edit=edit_text(query), where=where)]
    groups: dict[float, list[str]] = {}
    for neuron, value in zip(neurons, values, strict=True):
        groups.setdefault(value, []).append(neuron)
    return [
        Intervention.of(names, edit=f"clamp(value={value!r})", where=where) for value, names in groups.items()
    ]


def edit_text(query: EditQuery) -> str:
    """Return the edit as text, for every kind but clamp.

    Raises:
        ParameterError: a text that the kind needs is missing.
    """
    if query.kind == "scale":
        return f"scale(factor={query.factor!r})"
    if query.kind == "add":
        return f"add(value={query.amount!r})"
    if query.kind == "mean" and query.label:
        return f"mean(label={query.label.partition('=')[2]!r})"
    if query.kind == "other":
        if not query.other.strip():
            raise ParameterError("write the edit, such as range(edit=zero, low=1)")
        return query.other
    return query.kind


def reference_of(
    collection: Collection, store: Entry, query: EditQuery, interventions: Sequence[Intervention]
) -> NeuronStatistics | None:
    """Return the statistics that edits take their values from: of their sites, over the words of the store.

    Raises:
        ParameterError: a label that two layers have; see also :func:`onegrain.neuron_statistics`.
    """
    from onegrain.interventions.references import measure_reference, neuron_statistics

    edits = [each.edit for each in interventions]
    if not any(edit.statistics or edit.needs_samples for edit in edits):
        return None
    sites = tuple(dict.fromkeys(site for each in interventions for site in each.neurons))
    layer = query.label.partition("=")[0] if query.kind == "mean" else ""
    key = store.name, sites, layer, str(edits) if query.kind == "other" else ""
    kept: Recent[NeuronStatistics] = collection.derived("edit statistics", lambda: Recent(MOST_REFERENCES))

    def measure() -> NeuronStatistics:
        activations = collection.store(store.name).restrict(sites)
        return (
            measure_reference(activations, edits)
            if query.kind == "other"
            else neuron_statistics(activations, layer=layer or None)
        )

    return kept.get(key, measure)


def _where(query: EditQuery) -> Where:
    from onegrain.interventions import Where

    if query.where == "label":
        return Where(words=query.words or None)
    if query.where == "regex":
        return Where(words=f"{MATCH}=yes")
    if query.where == "positions":
        try:
            return Where(positions=tuple(int(part) for part in query.positions.split(",")))
        except ValueError:
            raise ParameterError("positions are whole numbers with commas between them, such as 0,-1") from None
    if query.where in ("prompt", "generated"):
        return Where(part=query.where)
    return Where()
