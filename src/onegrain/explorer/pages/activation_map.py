"""Activation maps: sentences as words in order, each with the values of some neurons as colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onegrain.explorer.addresses import PageQuery, link
from onegrain.explorer.figures import FigureTable
from onegrain.records.corpus import Corpus
from onegrain.reports.rendering.drawings import Matrix
from onegrain.reports.rendering.heatmap import LIMIT

__all__ = ["MapNeuron", "MapSentence", "MapWord", "map_drawing", "map_neurons", "map_sentence", "map_table"]

MOST_DRAWN = 60
"""Words of a sentence that is also drawn as a figure."""


@dataclass(frozen=True)
class MapNeuron:
    """A neuron of a map.

    Attributes:
        name: ``site:unit``.
        number: its number in the map, from 1.
        mean, std: mean and population standard deviation over the words of the store.
        address: its page.
    """

    name: str
    number: int
    mean: float
    std: float
    address: str


@dataclass(frozen=True)
class MapWord:
    """A word of a map.

    Attributes:
        text: the word.
        label: its label in the chosen layer; empty without one.
        values: the value of each neuron; NaN for a word without an activation.
        deviations: (value - mean) / std of each neuron; NaN if the neuron is constant.
        marked: True if the sentence passes the filters for this word.
    """

    text: str
    label: str
    values: tuple[float, ...]
    deviations: tuple[float, ...]
    marked: bool = False


@dataclass(frozen=True)
class MapSentence:
    """A sentence of a map.

    Attributes:
        number: its number in the corpus, from 0.
        words: its words.
        other: the parallel sentence; empty without one.
        score: what the sentences are sorted by; NaN in the order of the corpus.
        address: the page with this sentence marked.
        current: True if the address of the page names this sentence.
    """

    number: int
    words: tuple[MapWord, ...]
    other: str = ""
    score: float = math.nan
    address: str = ""
    current: bool = False


def map_neurons(
    names: Sequence[str], mean: np.ndarray, std: np.ndarray, query: PageQuery
) -> tuple[MapNeuron, ...]:
    """Return the neurons of a map with links to their pages."""
    return tuple(
        MapNeuron(
            name, number, float(mean[number - 1]), float(std[number - 1]), link("neuron", query, neuron=name)
        )
        for number, name in enumerate(names, 1)
    )


def map_sentence(
    corpus: Corpus,
    number: int,
    values: np.ndarray,
    neurons: Sequence[MapNeuron],
    *,
    layer: str = "",
    marked: np.ndarray | None = None,
) -> tuple[MapWord, ...]:
    """Return the words of one sentence of a corpus.

    Args:
        corpus: the corpus.
        number: the sentence, from 0.
        values: float32 (words of the sentence, neurons).
        neurons: the neurons.
        layer: the label layer to show; empty for none.
        marked: bool (words of the corpus,), the words to mark.
    """
    start, stop = (int(edge) for edge in corpus.offsets[number : number + 2])
    labels = corpus.layer(layer).labels(start, stop) if layer else None
    deviations = _standardised(values, neurons)
    return tuple(
        MapWord(
            text=word,
            label=(labels[place] or "") if labels is not None else "",
            values=tuple(values[place].tolist()),
            deviations=tuple(deviations[place].tolist()),
            marked=marked is not None and bool(marked[start + place]),
        )
        for place, word in enumerate(corpus.sentence(number))
    )


def _standardised(values: np.ndarray, neurons: Sequence[MapNeuron]) -> np.ndarray:
    """Return (value - mean) / std, float64 (words, neurons); NaN for a constant neuron."""
    mean = np.array([neuron.mean for neuron in neurons])
    std = np.array([neuron.std for neuron in neurons])
    return (values.astype(np.float64) - mean) / np.where(std > 0, std, np.nan)


def map_table(sentences: Sequence[MapSentence], neurons: Sequence[MapNeuron], layer: str) -> FigureTable:
    """Return a table with one row per word and two columns per neuron."""
    columns = ["sentence", "position", "word", *([layer] if layer else [])]
    for neuron in neurons:
        columns += [neuron.name, f"{neuron.name} (sd)"]
    rows = [
        (
            sentence.number,
            position,
            word.text,
            *([word.label] if layer else []),
            *(number for pair in zip(word.values, word.deviations, strict=True) for number in pair),
        )
        for sentence in sentences
        for position, word in enumerate(sentence.words)
    ]
    return FigureTable.of(columns, rows)


def map_drawing(words: Sequence[MapWord], neurons: Sequence[MapNeuron]) -> Matrix | None:
    """Return one sentence as a drawing, a row per neuron; None if it is too long, or without neurons."""
    if not neurons or not 0 < len(words) <= MOST_DRAWN:
        return None
    return Matrix(
        rows=tuple(neuron.name for neuron in neurons),
        columns=tuple(word.text for word in words),
        values=tuple(tuple(word.deviations[place] for word in words) for place in range(len(neurons))),
        limit=LIMIT,
        unit="standard deviations from the mean",
    )
