"""Standardised values of a neuron at each word of some sentences, as text heat maps show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onegrain.analyses.neurons.words import NeuronScale, neuron_scale, require_neurons
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.space import Neurons

__all__ = ["Heat", "HeatSentence", "heat"]


@dataclass(frozen=True)
class HeatSentence:
    """A sentence with its number in the corpus, its words, and each word's deviation in standard deviations."""

    number: int
    words: tuple[str, ...]
    deviations: tuple[float, ...]


@dataclass(frozen=True)
class Heat:
    """A neuron over some sentences.

    Attributes:
        neuron: flat index.
        name: ``site:unit``.
        mean: mean of the neuron over all words of the corpus.
        std: population standard deviation over all words; 0 for a constant neuron, whose deviations are NaN.
        sentences: words with their deviations.
    """

    neuron: int
    name: str
    mean: float
    std: float
    sentences: tuple[HeatSentence, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and numbers; a NaN deviation becomes None."""
        return {
            "neuron": self.neuron,
            "name": self.name,
            "mean": self.mean,
            "std": self.std,
            "sentences": [
                {
                    "number": sentence.number,
                    "words": list(sentence.words),
                    "deviations": [None if np.isnan(value) else value for value in sentence.deviations],
                }
                for sentence in self.sentences
            ],
        }


def heat(
    activations: Activations,
    neurons: Neurons,
    sentences: Sequence[int],
    *,
    scale: NeuronScale | None = None,
) -> list[Heat]:
    """Return one heat map per neuron: (value - mean) / std at each word of the sentences.

    Args:
        activations: activations of the neurons at every word.
        neurons: names ``site:unit`` or flat indices.
        sentences: numbers of sentences in the corpus, from 0.
        scale: mean and std of these neurons if they are known already; by default computed in one pass over
            the activations.

    Raises:
        ParameterError: a neuron or sentence that does not exist, or a scale for another number of neurons.
    """
    chosen = require_neurons(activations, neurons)
    corpus = activations.corpus
    for number in sentences:
        if not 0 <= number < corpus.n_sentences:
            raise ParameterError(f"sentences are numbered 0..{corpus.n_sentences - 1}, not {number}")
    known = neuron_scale(activations, chosen) if scale is None else scale
    if known.mean.shape != chosen.shape or known.std.shape != chosen.shape:
        raise ParameterError(f"the scale is of {known.mean.size} neurons, but {chosen.size} were asked for")
    wide = np.where(known.std > 0, known.std, np.nan)
    tables = []
    for number in sentences:
        start, stop = (int(edge) for edge in corpus.offsets[number : number + 2])
        tables.append((activations.values(start, stop)[:, chosen].astype(np.float64) - known.mean) / wide)
    return [
        Heat(
            neuron=int(neuron),
            name=activations.space.name(int(neuron)),
            mean=float(known.mean[column]),
            std=float(known.std[column]),
            sentences=tuple(
                HeatSentence(int(number), corpus.sentence(number), tuple(table[:, column].tolist()))
                for number, table in zip(sentences, tables, strict=True)
            ),
        )
        for column, neuron in enumerate(chosen)
    ]
