from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onegrain.errors import ModelError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.space import NeuronSpace

SPACE = NeuronSpace(("layers.0", "layers.0.mlp", "layers.1"), (3, 4, 3))
MASK = np.arange(SPACE.size) % 4 == 1


@pytest.mark.parametrize(
    ("neurons", "indices"),
    [
        ("layers.0.mlp:2", [5]),
        (["layers.1:0", "layers.0:1"], [7, 1]),
        (["layers.1:0", 2, "layers.1:0"], [7, 2, 7]),
        (np.array(["layers.1:0", "layers.0:1"]), [7, 1]),
        (np.array([9, 0], dtype=np.uint8), [9, 0]),
        ((np.int64(4), 3), [4, 3]),
        (range(2), [0, 1]),
        (MASK, [1, 5, 9]),
        ([], []),
    ],
)
def test_neurons_are_named_numbered_or_masked(neurons: Any, indices: list[int]) -> None:
    resolved = SPACE.indices(neurons)
    assert resolved.dtype == np.int64
    assert resolved.tolist() == indices
    groups = SPACE.by_site(neurons)
    assert sorted(SPACE.index(site, unit) for site in groups for unit in groups[site]) == sorted(indices)


@pytest.mark.parametrize(
    ("neurons", "error", "message"),
    [
        (
            "layers.2:0",
            ModelError,
            "no neuron 'layers.2:0': no site 'layers.2'; the sites are: layers.0, layers.0.mlp",
        ),
        (["layers.0:3"], ModelError, r"no neuron 'layers.0:3': site 'layers.0' has units 0\.\.2, not 3"),
        ("layers.0", ParameterError, "'layers.0' is not a neuron; write SITE:UNIT"),
        ("layers.0:\u00b2", ParameterError, "write SITE:UNIT"),
        ([0, 10], ParameterError, r"neuron 10 is outside 0\.\.9"),
        ([-1], ParameterError, r"neuron -1 is outside 0\.\.9"),
        ([1.5], ParameterError, "names such as 'layers.0:0' or whole numbers"),
        ([None], ParameterError, "names such as 'layers.0:0' or whole numbers"),
        (np.zeros((2, 2), dtype=int), ParameterError, "or whole numbers"),
        (MASK[:4], ParameterError, "a mask of 4 for 10 neurons"),
    ],
)
def test_unknown_neurons_are_refused(neurons: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        SPACE.indices(neurons)


def test_activations_are_taken_by_name_number_and_mask() -> None:
    corpus = Corpus.from_sentences([["a", "b"], ["c"]])
    values = np.arange(30, dtype=np.float32).reshape(3, 10)
    acts = Activations.from_array(values, corpus, SPACE)
    np.testing.assert_array_equal(acts.take(neurons=["layers.1:0", 2]), values[:, [7, 2]])
    np.testing.assert_array_equal(acts.take([2, 0], "layers.0.mlp:2"), values[[2, 0]][:, [5]])
    np.testing.assert_array_equal(acts.take(neurons=MASK), values[:, MASK])
    np.testing.assert_array_equal(acts.neuron("layers.0.mlp:2"), values[:, 5])
    with pytest.raises(ModelError, match=r"no neuron 'layers\.2:0'"):
        acts.neuron("layers.2:0")
