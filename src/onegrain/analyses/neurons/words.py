"""The words and contexts that move a neuron most, in both directions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onegrain.analyses.neurons.columns import WordTypes, columns_of
from onegrain.analyses.neurons.kernels import (
    deviation_sums,
    moments,
    sort_values,
    strongest_types,
    strongest_words,
)
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.space import Neurons

__all__ = [
    "DIRECTIONS",
    "NeuronScale",
    "NeuronWords",
    "neuron_scale",
    "require_neurons",
    "top_words",
    "word_in_context",
]

CONTEXT = 6
DIRECTIONS = ("high", "low")
SIGNS = {"high": 1, "low": -1}
OCCURRENCE = ["direction", "word", "deviation", "value", "sentence", "position", "left", "right"]


@dataclass(frozen=True, eq=False)
class NeuronScale:
    """Mean and standard deviation (population) of some neurons over the words, float64 (neurons,) each."""

    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True, eq=False)
class NeuronWords:
    """The words and occurrences that move one neuron.

    Attributes:
        neuron: flat index.
        name: ``site:unit``.
        mean: mean of the neuron over all words.
        std: population standard deviation; 0 exactly for a constant neuron, which has no top words.
        minimum: its smallest value.
        maximum: its largest.
        share_positive: share of the words at which it is above 0.
        share_negative: share of the words at which it is below 0.
        counted: number of words that have an activation.
        words: word types, strongest first in each direction: ``direction`` (``high`` or ``low``), ``word``,
            ``count``, ``deviation`` (mean over its occurrences of (value - mean) / std).
        occurrences: single words, strongest first in each direction: ``direction``, ``word``, ``deviation``,
            ``value``, ``sentence``, ``position`` (both from 0), ``left``, ``right`` (up to six words of
            context).
    """

    neuron: int
    name: str
    mean: float
    std: float
    minimum: float
    maximum: float
    share_positive: float
    share_negative: float
    counted: int
    words: pd.DataFrame
    occurrences: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers."""
        return {
            "neuron": self.neuron,
            "name": self.name,
            "mean": self.mean,
            "std": self.std,
            "words": self.words.to_dict("records"),
            "occurrences": self.occurrences.to_dict("records"),
        }

    def sentences(self, n: int) -> list[int]:
        """Return up to n sentences with the strongest occurrences, alternating between the two directions."""
        both = [
            self.occurrences[self.occurrences["direction"] == way]["sentence"].tolist() for way in DIRECTIONS
        ]
        longest = max(len(side) for side in both)
        turns = [side[place] for place in range(longest) for side in both if place < len(side)]
        return list(dict.fromkeys(int(number) for number in turns))[:n]


def require_neurons(activations: Activations, neurons: Neurons) -> np.ndarray:
    """Return one or more neurons as int64 flat indices; see :meth:`NeuronSpace.indices`."""
    indices = activations.space.indices(neurons)
    if not indices.size:
        raise ParameterError(f"neurons must be one or more of 0..{activations.n_neurons - 1}, got none")
    return indices


def neuron_scale(activations: Activations, neurons: Neurons) -> NeuronScale:
    """Return the mean and standard deviation of some neurons.

    Words that have no activation are left out.

    Raises:
        ParameterError: a neuron outside the space, no word with an activation, or an activation that is not
            finite.
    """
    chosen = require_neurons(activations, neurons)
    _require_words(activations)
    mean, std = np.empty(len(chosen)), np.empty(len(chosen))
    for place, values in columns_of(activations, chosen):
        mean[place], std[place], *_ = moments(values)
    return NeuronScale(mean, std)


def top_words(
    activations: Activations, neurons: Neurons, n: int = 10, *, min_count: int = 1
) -> list[NeuronWords]:
    """Return the word types and the single occurrences that move each neuron most, up and down.

    Words that have no activation are left out. Of a store on a local disk, only the neurons and their
    neighbours are read.

    Args:
        activations: activations of the neurons at every word.
        neurons: names ``site:unit`` or flat indices.
        n: number of types, and of occurrences, in each direction.
        min_count: leave out word types that occur less often (single occurrences are not affected).

    A type is listed as ``high`` only if its mean deviation is above 0, as ``low`` only if it is below.
    Ties: types in order of first occurrence, occurrences in corpus order.

    Raises:
        ParameterError: a neuron outside the space, n or min_count below 1, no word with an activation, or one
            that is not finite.
    """
    chosen = require_neurons(activations, neurons)
    if n < 1 or min_count < 1:
        raise ParameterError(f"n and min_count must be at least 1, got {n} and {min_count}")
    _require_words(activations)
    types, rows = WordTypes.of(activations), np.flatnonzero(activations.present)
    words: dict[int, NeuronWords] = {}
    for place, values in columns_of(activations, chosen):
        words[place] = _words_of(activations, int(chosen[place]), values, types, rows, n, min_count)
    return [words[place] for place in range(len(chosen))]


def word_in_context(corpus: Corpus, word: int) -> dict[str, Any]:
    """Return ``sentence`` and ``position`` of a word, and the words to its ``left`` and ``right``."""
    sentence = int(corpus.sentence_of_word[word])
    position = word - int(corpus.offsets[sentence])
    words = corpus.sentence(sentence)
    return {
        "sentence": sentence,
        "position": position,
        "left": " ".join(words[max(0, position - CONTEXT) : position]),
        "right": " ".join(words[position + 1 : position + 1 + CONTEXT]),
    }


def _require_words(activations: Activations) -> None:
    if not activations.present.any():
        raise ParameterError(
            f"no word of {activations.describe()} has an activation; extract with long=window, or other words"
        )


def _words_of(
    activations: Activations,
    neuron: int,
    values: np.ndarray,
    types: WordTypes,
    rows: np.ndarray,
    n: int,
    min_count: int,
) -> NeuronWords:
    """Return the words of one neuron from its values at the words ``rows``, which have an activation."""
    mean, std, minimum, maximum, above, below = moments(values)
    sums = np.empty(types.n_pieces)
    deviation_sums(values, mean, types.pieces, sums)
    order, ordered = sort_values(values)
    tables, occurrences = [], []
    for direction, sign in SIGNS.items():
        best, deviations = strongest_types(sums, types.first_piece, types.counts, std, sign, min_count, n)
        tables.append(_type_rows(direction, best, deviations, types))
        for word in strongest_words(order, ordered, mean, std, sign, n).tolist():
            value, row = float(values[word]), int(rows[word])
            occurrences.append(
                {
                    "direction": direction,
                    "word": activations.corpus.words[row],
                    "deviation": (value - mean) / std,
                    "value": value,
                    **word_in_context(activations.corpus, row),
                }
            )
    return NeuronWords(
        neuron=neuron,
        name=activations.space.name(neuron),
        mean=mean,
        std=std,
        minimum=minimum,
        maximum=maximum,
        share_positive=above / len(values),
        share_negative=below / len(values),
        counted=len(values),
        words=pd.concat(tables, ignore_index=True),
        occurrences=pd.DataFrame(occurrences, columns=OCCURRENCE),
    )


def _type_rows(direction: str, best: np.ndarray, deviations: Iterable[float], types: WordTypes) -> pd.DataFrame:
    columns = {
        "direction": direction,
        "word": np.array([types.types[number] for number in best.tolist()], dtype=object),
        "count": types.counts[best],
        "deviation": deviations,
    }
    return pd.DataFrame(columns, columns=list(columns))
