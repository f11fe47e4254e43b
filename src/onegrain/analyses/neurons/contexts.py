"""Short pieces of sentences around chosen words, with a neuron's deviation at every word of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onegrain.records.activations import Activations

__all__ = ["ContextWord", "word_contexts"]

WIDTH = 6


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


def word_contexts(
    activations: Activations,
    neuron: str | int,
    places: Sequence[tuple[int, int]],
    mean: float,
    std: float,
    *,
    width: int = WIDTH,
) -> list[tuple[ContextWord, ...]]:
    """Return the words around some places, each with the neuron's value, from one read of these words alone.

    Args:
        activations: a store of the neuron.
        neuron: ``site:unit`` or a flat index.
        places: pairs (sentence, position in it), both from 0.
        mean: mean of the neuron.
        std: standard deviation of the neuron; 0 for a constant one.
        width: number of words on each side, fewer at the ends of a sentence.

    Raises:
        ModelError: no such neuron.
    """
    corpus = activations.corpus
    spans = []
    for sentence, position in places:
        start, stop = (int(edge) for edge in corpus.offsets[sentence : sentence + 2])
        centre = start + position
        spans.append((max(start, centre - width), centre, min(stop, centre + width + 1)))
    rows = np.unique(np.concatenate([np.arange(first, end) for first, _, end in spans] or [np.empty(0, int)]))
    values = activations.take(rows, [neuron])[:, 0].astype(np.float64) if rows.size else np.empty(0)
    known = dict(zip(rows.tolist(), values.tolist(), strict=True))
    present = activations.present
    return [
        tuple(
            _word(corpus.words[row], known[row] if present[row] else None, mean, std, is_centre=row == centre)
            for row in range(first, end)
        )
        for first, centre, end in spans
    ]


def _word(word: str, value: float | None, mean: float, std: float, *, is_centre: bool) -> ContextWord:
    deviation = None if value is None or std == 0 else (value - mean) / std
    return ContextWord(word, value, deviation, is_centre)
