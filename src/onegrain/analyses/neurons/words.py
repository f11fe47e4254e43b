"""The words and contexts that move a neuron most, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.moments import Spread
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.space import Neurons

__all__ = ["NeuronScale", "NeuronWords", "neuron_scale", "require_neurons", "top_words"]

CONTEXT = 6
DIRECTIONS = ("high", "low")


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
    """Return the mean and standard deviation of some neurons, from one pass over the activations.

    Words that have no activation are left out.

    Raises:
        ParameterError: a neuron outside the space, or an activation that is not finite.
    """
    chosen = require_neurons(activations, neurons)
    spread = Spread.none(chosen.size)
    for _, block in _present(activations, chosen):
        spread = spread.merged(Spread.of(block))
    return NeuronScale(spread.mean, np.sqrt(spread.squares / max(spread.words, 1)))


def top_words(
    activations: Activations, neurons: Neurons, n: int = 10, *, min_count: int = 1
) -> list[NeuronWords]:
    """Return the word types and the single occurrences that move each neuron most, up and down.

    One pass over the activations serves all the neurons; memory grows with (word types x neurons). Words that
    have no activation are left out.

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
    seen = _Seen(activations, chosen, n)
    for rows, block in _present(activations, chosen):
        seen.add(rows, block)
    if not seen.spread.words:
        raise ParameterError(
            f"no word of {activations.describe()} has an activation; extract with long=window, or other words"
        )
    return [seen.words_of(column, min_count) for column in range(len(chosen))]


class _Seen:
    """Sums over the words so far: moments of the neurons, sums per word type, extremes."""

    def __init__(self, activations: Activations, neurons: np.ndarray, n: int) -> None:
        self.activations, self.neurons, self.n = activations, neurons, n
        words = activations.corpus.words
        number = {word: code for code, word in enumerate(dict.fromkeys(words))}
        self.types = np.array(list(number), dtype=object)
        self.codes = np.array([number[word] for word in words], dtype=np.int64)
        self.counts = np.bincount(self.codes[activations.present], minlength=len(number))
        self.sums = np.zeros((len(number), neurons.size))
        self.shift = np.zeros(neurons.size)
        self.spread = Spread.none(neurons.size)
        self.above, self.below = np.zeros((2, neurons.size), dtype=np.int64)
        self.extremes = _Extremes(n, neurons.size)

    def add(self, rows: np.ndarray, block: np.ndarray) -> None:
        if not self.spread.words:
            self.shift = block.mean(axis=0)
        self.spread = self.spread.merged(Spread.of(block))
        np.add.at(self.sums, self.codes[rows], block - self.shift)
        self.above += (block > 0).sum(axis=0)
        self.below += (block < 0).sum(axis=0)
        self.extremes.add(rows, block)

    def words_of(self, column: int, min_count: int) -> NeuronWords:
        seen, mean = self.spread.words, float(self.spread.mean[column])
        std = float(np.sqrt(self.spread.squares[column] / seen))
        centred = self.sums[:, column] / np.maximum(self.counts, 1) + (self.shift[column] - mean)
        deviations = np.where(self.counts > 0, centred / (std if std > 0 else np.nan), np.nan)
        return NeuronWords(
            neuron=int(self.neurons[column]),
            name=self.activations.space.name(int(self.neurons[column])),
            mean=mean,
            std=std,
            minimum=float(self.extremes.values["low"][0, column]),
            maximum=float(self.extremes.values["high"][0, column]),
            share_positive=float(self.above[column] / seen),
            share_negative=float(self.below[column] / seen),
            counted=seen,
            words=_types(self.types, self.counts, deviations, self.n, min_count),
            occurrences=self.extremes.frame(column, self.activations.corpus, mean, std),
        )


def _present(activations: Activations, neurons: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of the words that have an activation: their rows (int64), and float64 (rows, neurons)."""
    present = activations.present
    for start, block in activations.blocks():
        inside = present[start : start + len(block)]
        activations.require_finite(block, start, present)
        if inside.any():
            yield start + np.flatnonzero(inside), block[inside][:, neurons].astype(np.float64)


def _types(types: np.ndarray, counts: np.ndarray, deviations: np.ndarray, n: int, least: int) -> pd.DataFrame:
    parts = []
    for direction, sign in zip(DIRECTIONS, (1.0, -1.0), strict=True):
        allowed = np.flatnonzero((counts >= least) & (sign * np.nan_to_num(deviations) > 0))
        best = allowed[np.argsort(-sign * deviations[allowed], kind="stable")][:n]
        columns = {
            "direction": direction,
            "word": types[best],
            "count": counts[best],
            "deviation": deviations[best],
        }
        parts.append(pd.DataFrame(columns, columns=list(columns)))
    return pd.concat(parts, ignore_index=True)


class _Extremes:
    """The n largest and n smallest values of each neuron over the blocks so far, and their words."""

    def __init__(self, n: int, neurons: int) -> None:
        self.n = n
        self.values = {way: np.empty((0, neurons)) for way in DIRECTIONS}
        self.rows = {way: np.empty((0, neurons), dtype=np.int64) for way in DIRECTIONS}

    def add(self, places: np.ndarray, block: np.ndarray) -> None:
        numbers = np.broadcast_to(places[:, None], block.shape)
        for direction, sign in zip(DIRECTIONS, (-1.0, 1.0), strict=True):
            values = np.concatenate([self.values[direction], block])
            rows = np.concatenate([self.rows[direction], numbers])
            order = np.argsort(sign * values, axis=0, kind="stable")[: self.n]
            self.values[direction] = np.take_along_axis(values, order, axis=0)
            self.rows[direction] = np.take_along_axis(rows, order, axis=0)

    def frame(self, column: int, corpus: Corpus, mean: float, std: float) -> pd.DataFrame:
        columns = ["direction", "word", "deviation", "value", "sentence", "position", "left", "right"]
        rows = []
        for direction, sign in zip(DIRECTIONS, (1.0, -1.0), strict=True):
            for value, word in zip(
                self.values[direction][:, column], self.rows[direction][:, column], strict=True
            ):
                deviation = (value - mean) / std if std > 0 else np.nan
                if sign * deviation > 0:
                    rows.append((direction, corpus.words[word], deviation, value, *_place(corpus, int(word))))
        return pd.DataFrame(rows, columns=columns)


def _place(corpus: Corpus, word: int) -> tuple[int, int, str, str]:
    """Return the sentence of a word, its position in it, and the words on both sides."""
    sentence = int(corpus.sentence_of_word[word])
    position = word - int(corpus.offsets[sentence])
    words = corpus.sentence(sentence)
    left = " ".join(words[max(0, position - CONTEXT) : position])
    return sentence, position, left, " ".join(words[position + 1 : position + 1 + CONTEXT])
