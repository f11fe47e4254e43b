"""A neuron that is described without an index is the neuron of the index, to the digit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.errors import ModelError, ParameterError
from onegrain.searching.describing import NeuronDescriptions
from support.indexed import CONSTANT, FOLLOWS, HUGE, TIED, ZEROS, Indexed


@pytest.mark.parametrize("neuron", [0, CONSTANT, TIED, ZEROS, HUGE, FOLLOWS, 149])
def test_a_description_is_that_of_the_index(indexed: Indexed, neuron: int) -> None:
    described = NeuronDescriptions(indexed.activations)
    assert described.neuron(neuron) == indexed.index.neuron(neuron)
    assert described.neuron(indexed.activations.space.name(neuron)).neuron == neuron


def test_values_that_are_known_are_not_read(indexed: Indexed) -> None:
    asked = []

    def read(number: int) -> np.ndarray:
        asked.append(number)
        return indexed.activations.neuron(number)

    assert NeuronDescriptions(indexed.activations, read=read).neuron(0) == indexed.index.neuron(0)
    assert asked == [0]


def test_neurons_that_are_not_there_and_words_without_values_are_refused(indexed: Indexed) -> None:
    described = NeuronDescriptions(indexed.activations)
    with pytest.raises(ParameterError):
        described.neuron(10**6)
    with pytest.raises(ModelError):
        described.neuron("nowhere:3")
    nothing = replace(indexed.activations, missing=np.ones(indexed.activations.n_words, dtype=bool))
    with pytest.raises(ParameterError, match="no word"):
        NeuronDescriptions(nothing)
