from __future__ import annotations

import json

import numpy as np
import pytest

from onegrain.analyses.neurons.heat import heat
from onegrain.analyses.neurons.words import NeuronScale
from onegrain.errors import ModelError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus


@pytest.fixture
def small() -> Activations:
    corpus = Corpus.from_sentences([["a", "b"], ["c"], ["d", "e", "f"]])
    array = np.array([[0, 1], [2, 1], [4, 1], [6, 1], [8, 1], [10, 1]], dtype=np.float32)
    return Activations.from_array(array, corpus)


def test_values_against_the_definition(small: Activations) -> None:
    sentence_heat = heat(small, [0], [2, 0])[0]
    column = small.values()[:, 0]
    expected = (column - column.mean()) / column.std()
    assert [sentence.number for sentence in sentence_heat.sentences] == [2, 0]
    assert sentence_heat.sentences[0].words == ("d", "e", "f")
    np.testing.assert_allclose(sentence_heat.sentences[0].deviations, expected[3:])
    np.testing.assert_allclose(sentence_heat.sentences[1].deviations, expected[:2])


def test_a_constant_neuron_has_no_deviation(small: Activations) -> None:
    sentence_heat = heat(small, [0, 1], [1])[1]
    assert np.isnan(sentence_heat.sentences[0].deviations).all()
    assert json.loads(json.dumps(sentence_heat.to_json()))["sentences"][0]["deviations"] == [None]


def test_a_known_scale_is_used(small: Activations) -> None:
    sentence_heat = heat(small, [0], [1], scale=NeuronScale(np.array([1.0]), np.array([3.0])))[0]
    assert sentence_heat.sentences[0].deviations == (1.0,)


def test_refusals(small: Activations) -> None:
    with pytest.raises(ParameterError, match=r"0\.\.2"):
        heat(small, [0], [3])
    with pytest.raises(ParameterError, match="2 were asked"):
        heat(small, [0, 1], [0], scale=NeuronScale(np.array([1.0]), np.array([3.0])))


def test_neurons_are_named_or_numbered(small: Activations) -> None:
    named, numbered = (heat(small, neurons, [0]) for neurons in (["layers.0:1", "layers.0:0"], [1, 0]))
    assert [neuron.name for neuron in named] == ["layers.0:1", "layers.0:0"]
    np.testing.assert_equal([neuron.to_json() for neuron in named], [neuron.to_json() for neuron in numbered])
    with pytest.raises(ModelError, match=r"no neuron 'layers.0:2': site 'layers.0' has units 0..1"):
        heat(small, ["layers.0:2"], [0])
