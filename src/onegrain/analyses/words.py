"""Which words and contexts move a neuron most, in both directions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from onegrain.core.activations import Activations
from onegrain.core.corpus import Corpus
from onegrain.errors import ParameterError

__all__ = ["Moments", "NeuronWords", "moments", "require_neurons", "top_words"]

CONTEXT = 6
DIRECTIONS = ("high", "low")


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation (population, float64) of some neurons over the words."""

    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True, eq=False)
class NeuronWords:
    """What moves one neuron.

    Attributes:
        neuron: flat index.
        name: ``site:unit``.
        mean: of the neuron over all words.
        std: population standard deviation; 0 for a constant neuron, which has no top words.
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
    words: pd.DataFrame
    occurrences: pd.DataFrame

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        return {
            "neuron": self.neuron,
            "name": self.name,
            "mean": self.mean,
            "std": self.std,
            "words": self.words.to_dict("records"),
            "occurrences": self.occurrences.to_dict("records"),
        }

    def sentences(self, n: int) -> list[int]:
        """Up to n sentences in which the strongest occurrences stand, the two directions in turn."""
        both = [
            self.occurrences[self.occurrences["direction"] == way]["sentence"].tolist() for way in DIRECTIONS
        ]
        longest = max(len(side) for side in both)
        turns = [side[at] for at in range(longest) for side in both if at < len(side)]
        return list(dict.fromkeys(int(number) for number in turns))[:n]


def require_neurons(activations: Activations, neurons: Sequence[int]) -> np.ndarray:
    """The neurons as int64 flat indices; ParameterError for none or one outside the space."""
    chosen = np.asarray(neurons, dtype=np.int64).reshape(-1)
    size = activations.n_neurons
    if not chosen.size or chosen.min() < 0 or chosen.max() >= size:
        raise ParameterError(f"neurons must be one or more of 0..{size - 1}, got {chosen.tolist()[:10]}")
    return chosen


def moments(activations: Activations, neurons: Sequence[int]) -> Moments:
    """Mean and standard deviation of some neurons in one pass (float64, blocks merged centred).

    Words that have no activation are left out.

    Raises:
        ParameterError: a neuron outside the space, or an activation that is not finite.
    """
    chosen = require_neurons(activations, neurons)
    seen, mean, squares = 0, np.zeros(chosen.size), np.zeros(chosen.size)
    for _, block in _present(activations, chosen):
        seen, mean, squares = _merge((seen, mean, squares), block)
    return Moments(mean, np.sqrt(squares / max(seen, 1)))


def top_words(
    activations: Activations, neurons: Sequence[int], n: int = 10, *, min_count: int = 1
) -> list[NeuronWords]:
    """The word types and the single occurrences that move each neuron most, up and down.

    One pass over the activations serves all the neurons; memory grows with (word types x neurons). Words that
    have no activation are left out.

    Args:
        activations: what the neurons did at every word.
        neurons: flat indices.
        n: how many types and how many occurrences in each direction.
        min_count: leave out word types that occur less often (single occurrences are not affected).

    A type is listed as ``high`` only where its mean deviation is above 0, as ``low`` only where it is below.
    Ties: types in order of first occurrence, occurrences in corpus order.

    Raises:
        ParameterError: a neuron outside the space, n or min_count below 1, or an activation that is not
            finite.
    """
    chosen = require_neurons(activations, neurons)
    if n < 1 or min_count < 1:
        raise ParameterError(f"n and min_count must be at least 1, got {n} and {min_count}")
    words = activations.corpus.words
    number = {word: code for code, word in enumerate(dict.fromkeys(words))}
    codes = np.array([number[word] for word in words], dtype=np.int64)
    sums, shift = np.zeros((len(number), chosen.size)), np.zeros(chosen.size)
    state: tuple[int, np.ndarray, np.ndarray] = (0, np.zeros(chosen.size), np.zeros(chosen.size))
    extremes = _Extremes(n, chosen.size)
    for rows, block in _present(activations, chosen):
        if not state[0]:
            shift = block.mean(axis=0)
        state = _merge(state, block)
        np.add.at(sums, codes[rows], block - shift)
        extremes.add(rows, block)
    counts = np.bincount(codes[activations.present], minlength=len(number))
    mean, std = state[1], np.sqrt(state[2] / max(state[0], 1))
    types = np.array(list(number), dtype=object)
    found = []
    for at, neuron in enumerate(chosen.tolist()):
        centred = sums[:, at] / np.maximum(counts, 1) + (shift[at] - mean[at])
        deviations = (
            np.where(counts > 0, centred / std[at], np.nan) if std[at] > 0 else np.full(len(types), np.nan)
        )
        by_type = _types(types, counts, deviations, n, min_count)
        single = extremes.frame(at, activations.corpus, mean[at], std[at])
        name = activations.space.name(neuron)
        found.append(NeuronWords(neuron, name, float(mean[at]), float(std[at]), by_type, single))
    return found


def _present(activations: Activations, neurons: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of the words that have an activation: their rows (int64), and float64 (rows, neurons)."""
    present = activations.present
    for start, block in activations.blocks():
        inside = present[start : start + len(block)]
        activations.require_finite(block, start, present)
        if inside.any():
            yield start + np.flatnonzero(inside), block[inside][:, neurons].astype(np.float64)


def _merge(state: tuple[int, np.ndarray, np.ndarray], block: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """Add a float64 block (rows, neurons) to (rows seen, means, sums of squared deviations)."""
    seen, mean, squares = state
    rows = len(block)
    inside = block.mean(axis=0)
    apart = inside - mean
    total = seen + rows
    within = ((block - inside) ** 2).sum(axis=0)
    return total, mean + apart * rows / total, squares + within + apart**2 * seen * rows / total


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
    """The n largest and n smallest values of each neuron and the words at which they came, over blocks."""

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

    def frame(self, at: int, corpus: Corpus, mean: float, std: float) -> pd.DataFrame:
        columns = ["direction", "word", "deviation", "value", "sentence", "position", "left", "right"]
        rows = []
        for direction, sign in zip(DIRECTIONS, (1.0, -1.0), strict=True):
            for value, word in zip(self.values[direction][:, at], self.rows[direction][:, at], strict=True):
                deviation = (value - mean) / std if std > 0 else np.nan
                if sign * deviation > 0:
                    rows.append((direction, corpus.words[word], deviation, value, *_place(corpus, int(word))))
        return pd.DataFrame(rows, columns=columns)


def _place(corpus: Corpus, word: int) -> tuple[int, int, str, str]:
    """Sentence, position in it, and the words on both sides."""
    sentence = int(corpus.sentence_of_word[word])
    position = word - int(corpus.offsets[sentence])
    words = corpus.sentence(sentence)
    left = " ".join(words[max(0, position - CONTEXT) : position])
    return sentence, position, left, " ".join(words[position + 1 : position + 1 + CONTEXT])
