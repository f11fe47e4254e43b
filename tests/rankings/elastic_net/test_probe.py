"""The probe as an estimator: predictions, standardisation, masking and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.errors import ParameterError
from onegrain.rankings.elastic_net.classifier import ElasticNetProbe
from onegrain.rankings.elastic_net.probe import FittedProbe
from support.planted import LABELS, plant


@pytest.fixture(scope="module")
def words() -> tuple[np.ndarray, np.ndarray]:
    acts = plant(80).activations
    return acts.values().astype(np.float64), np.array(acts.layer("upos").labels())


def test_finds_the_planted_neurons(words: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = words
    probe = ElasticNetProbe(lambda1=0.02, lambda2=0.0).fit(values, labels)
    assert probe.converged_
    assert probe.duality_gap_ <= 1e-4
    assert probe.score(values, labels) > 0.95
    assert probe.classes_.tolist() == list(LABELS)
    for label, neuron in list(plant(80).exclusive.items())[:3]:
        assert np.abs(probe.coef_[LABELS.index(label)]).argmax() in (neuron, plant(80).shared)
    assert (probe.coef_[:, list(plant(80).constant)] == 0.0).all()


def test_probabilities_agree_with_the_weights(words: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = words
    for standardize in (False, True):
        probe = ElasticNetProbe(lambda1=0.01, standardize=standardize).fit(values, labels)
        scaled = values / probe.probe_.scale
        logits = scaled @ probe.coef_.T + probe.intercept_
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        assert probe.predict_proba(values) == pytest.approx(expected, abs=1e-9)
        assert probe.predict_proba(values).sum(axis=1) == pytest.approx(np.ones(len(values)))


def test_standardised_weights_do_not_depend_on_scale_or_offset(words: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = words
    rng = np.random.default_rng(0)
    moved = values * np.exp(rng.normal(size=values.shape[1])) + rng.normal(size=values.shape[1])
    first = ElasticNetProbe(lambda1=0.01, lambda2=0.01, standardize=True, tolerance=1e-9).fit(values, labels)
    second = ElasticNetProbe(lambda1=0.01, lambda2=0.01, standardize=True, tolerance=1e-9).fit(moved, labels)
    assert second.coef_ == pytest.approx(first.coef_, abs=1e-3)
    assert second.predict(moved).tolist() == first.predict(values).tolist()


def test_masking_equals_setting_activations_to_zero(words: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = words
    probe = ElasticNetProbe(lambda1=0.001).fit(values, labels).probe_
    kept = np.array([13, 1, 4])
    zeroed = np.zeros_like(values)
    zeroed[:, kept] = values[:, kept]
    assert probe.logits(values, kept) == pytest.approx(probe.logits(zeroed), abs=1e-9)
    assert np.array_equal(probe.logits(values, np.arange(values.shape[1])), probe.logits(values))


def test_masking_a_standardised_neuron_holds_it_at_its_mean() -> None:
    probe = FittedProbe(np.array([[2.0], [-2.0]]), np.zeros(2), shift=np.array([5.0]), scale=np.array([4.0]))
    assert probe.logits(np.array([[9.0]])).tolist() == [[2.0, -2.0]]
    assert probe.logits(np.array([[9.0]]), np.array([], dtype=np.int64)).tolist() == [[0.0, 0.0]]


def test_two_labels_have_a_decision_function_of_one_column() -> None:
    probe = ElasticNetProbe(lambda1=0.01).fit(np.array([[0.0], [1.0], [0.2], [0.8]]), [3, 7, 3, 7])
    assert probe.decision_function([[0.0], [1.0]]).shape == (2,)
    assert probe.predict([[0.0], [1.0]]).tolist() == [3, 7]


@pytest.mark.parametrize(
    ("change", "labels", "message"),
    [
        ({"lambda1": -1.0}, [0, 1], "lambda1 must be 0 or more"),
        ({"lambda2": float("nan")}, [0, 1], "lambda2 must be 0 or more"),
        ({}, [1, 1], "at least two labels"),
    ],
)
def test_refusals(change: dict, labels: list[int], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        ElasticNetProbe(**change).fit(np.array([[0.0], [1.0]]), labels)
