"""Short pieces of sentences around chosen words, with a neuron's value and deviation at every word of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from onegrain.records.corpus import Corpus

__all__ = ["WIDTH", "ContextWord", "rows_around", "word_contexts"]

WIDTH = 6
"""Words of a context on each side of its word, fewer at the ends of a sentence."""


@dataclass(frozen=True)
class ContextWord:
    """One word of a context.

    Attributes:
        word: the word.
        value: the neuron's value; None if the word has no activation.
        deviation: (value - mean) / std; None without an activation, or if the neuron is constant.
        is_centre: True for the word that the context is about.
    """

    word: str
    value: float | None
    deviation: float | None
    is_centre: bool


def rows_around(
    corpus: Corpus, rows: Int64[np.ndarray, " places"]
) -> tuple[Int64[np.ndarray, "places words"], Bool[np.ndarray, "places words"]]:
    """Return the rows of the words around some words, themselves included, and whether each is one.

    Args:
        corpus: the words.
        rows: the words, by their rows in the corpus.

    Returns:
        The rows from ``WIDTH`` words before to ``WIDTH`` words after each, and False where a row is beyond the
        ends of the sentence, so that it stands for no word.
    """
    near = rows[:, None] + np.arange(-WIDTH, WIDTH + 1)
    within = near.clip(0, corpus.n_words - 1)
    inside = (near == within) & (corpus.sentence_of_word[within] == corpus.sentence_of_word[rows][:, None])
    return within, inside


def word_contexts(
    corpus: Corpus,
    places: Sequence[tuple[int, int]],
    values: Sequence[Sequence[float | None]],
    mean: float,
    std: float,
) -> list[tuple[ContextWord, ...]]:
    """Return the words around some places, each with a neuron's value.

    Args:
        corpus: the words.
        places: pairs (sentence, position in it), both from 0.
        values: for each place the values at the words from ``WIDTH`` before it to ``WIDTH`` after it; None
            beyond the ends of the sentence and without an activation. An IndexedNeuron has them in ``around``.
        mean: mean of the neuron.
        std: standard deviation of the neuron; 0 for a constant one.
    """
    contexts = []
    for (sentence, position), around in zip(places, values, strict=True):
        words = corpus.sentence(sentence)
        first = max(0, position - WIDTH)
        contexts.append(
            tuple(
                _word(word, around[place - position + WIDTH], mean, std, is_centre=place == position)
                for place, word in enumerate(words[first : position + WIDTH + 1], first)
            )
        )
    return contexts


def _word(word: str, value: float | None, mean: float, std: float, *, is_centre: bool) -> ContextWord:
    deviation = None if value is None or std == 0 else (value - mean) / std
    return ContextWord(word, value, deviation, is_centre)
