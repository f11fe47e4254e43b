"""The sign cases of a gated neuron, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.analyses.neurons.signs import SignCase, gate_and_up, sign_cases
from onegrain.errors import ModelError, ParameterError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.space import NeuronSpace

SPACE = NeuronSpace(("layers.0.mlp.gate", "layers.0.mlp.up"), (2, 2))


def gated(gate: list[float], up: list[float]) -> Activations:
    values = np.zeros((len(gate), 4), dtype=np.float32)
    values[:, 1], values[:, 3] = gate, up
    corpus = Corpus.from_sentences([[f"w{number}" for number in range(len(gate))]])
    return Activations.from_array(values, corpus, SPACE)


def test_words_fall_into_four_cases_with_their_mean_products() -> None:
    activations = gated([2, 1, -0.5, 0, -0.25], [3, -1, 4, 5, -2])
    cases = sign_cases(activations, "layers.0.mlp.gate:1", "layers.0.mlp.up:1")
    assert cases == (
        SignCase("+", "+", 1, 0.2, 6.0),
        SignCase("+", "-", 1, 0.2, -1.0),
        SignCase("-", "+", 2, 0.4, -1.0),
        SignCase("-", "-", 1, 0.2, 0.5),
    )
    assert sum(case.share for case in cases) == pytest.approx(1)


def test_a_case_without_words_has_no_mean() -> None:
    cases = sign_cases(gated([1.0], [1.0]), 1, 3)
    assert [case.mean_product for case in cases] == [1.0, None, None, None]


def test_words_without_an_activation_are_left_out() -> None:
    activations = gated([1, np.nan], [1, np.nan])
    missing = np.array([False, True])
    assert sign_cases(replace(activations, missing=missing), 1, 3)[0].share == 1.0
    with pytest.raises(ParameterError, match="not finite"):
        sign_cases(activations, 1, 3)
    with pytest.raises(ParameterError, match="no word"):
        sign_cases(replace(activations, missing=np.array([True, True])), 1, 3)


def test_neurons_that_are_not_there_are_named() -> None:
    with pytest.raises(ModelError, match=r"layers\.9"):
        sign_cases(gated([1.0], [1.0]), "layers.9:0", 3)


@pytest.mark.parametrize("site", ["layers.0.mlp", "layers.0.mlp.gate", "layers.0.mlp.up"])
def test_both_factors_are_needed(site: str) -> None:
    assert gate_and_up(site, SPACE.sites) == SPACE.sites
    assert gate_and_up(site, SPACE.sites[:1]) is None
