"""Correlations between chosen neurons of two sets of activations."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain import Activations, Corpus
from onegrain.analyses import correlation_map
from onegrain.errors import MismatchError, ParameterError

WORDS = 60


def activations(seed: int, words: int = WORDS) -> Activations:
    values = np.random.default_rng(seed).standard_normal((words, 5)).astype(np.float32)
    values[:, 4] = 2.5
    corpus = Corpus.from_sentences([[f"w{word}" for word in range(words)]])
    return Activations.from_array(values, corpus)


def test_the_values_are_those_of_numpy() -> None:
    left, right = activations(1), activations(2)
    table = correlation_map(left, right, ["layers.0:3", "layers.0:0"], [1, 2])
    assert list(table.index) == ["layers.0:3", "layers.0:0"]
    assert list(table.columns) == ["layers.0:1", "layers.0:2"]
    both = np.corrcoef(np.hstack([left.values()[:, [3, 0]], right.values()[:, [1, 2]]]).T.astype(np.float64))
    np.testing.assert_allclose(table.to_numpy(), both[:2, 2:], atol=1e-12)


def test_a_constant_neuron_has_no_correlation() -> None:
    table = correlation_map(activations(1), activations(2), [0, 4], [1, 4])
    assert np.isnan(table.to_numpy()).tolist() == [[False, True], [True, True]]


def test_words_without_an_activation_are_left_out() -> None:
    left, right = activations(1), activations(2)
    values, missing = left.values().copy(), np.zeros(WORDS, dtype=bool)
    missing[:10] = True
    values[:10] = np.nan
    partly = Activations(values, left.space, left.corpus, left.provenance, missing=missing)
    expected = np.corrcoef(left.values()[10:, 0], right.values()[10:, 1])[0, 1]
    assert correlation_map(partly, right, [0], [1]).iloc[0, 0] == pytest.approx(expected, abs=1e-6)


def test_other_words_no_words_and_no_neurons_are_refused() -> None:
    with pytest.raises(MismatchError, match="different words"):
        correlation_map(activations(1), activations(1, WORDS + 1), [0], [0])
    with pytest.raises(ParameterError, match="two words"):
        correlation_map(activations(1, 1), activations(2, 1), [0], [0])
    with pytest.raises(ParameterError, match="at least one neuron"):
        correlation_map(activations(1), activations(2), [], [0])
