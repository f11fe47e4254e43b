"""Probeless and average precision: their definitions give NeuroX's orders, and so do onegrain's methods."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from onegrain.rankings import rank
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from support import real_neurox

LABELS = ("A", "B", "C", "D")
NEURONS, WORDS = 25, 400
QUIET = 0.05
"""NeuroX's threshold: smaller activations are set to zero before their average precision is taken."""


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Activations that the label shifts, by another amount for each neuron, and labels; no small activation."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, len(LABELS), WORDS)
    shift = 0.4 * rng.normal(size=(len(LABELS), NEURONS))
    shift[0] = 1.2 + np.arange(NEURONS) / 20.0
    values = rng.standard_normal((WORDS, NEURONS)) + shift[codes]
    loud = np.where(np.abs(values) < 1.5 * QUIET, np.copysign(1.5 * QUIET, values), values)
    return loud.astype(np.float32), codes


def activations(values: np.ndarray, codes: np.ndarray) -> Activations:
    words, labels = [f"w{word}" for word in range(WORDS)], [LABELS[code] for code in codes]
    return Activations.from_array(values, Corpus.from_sentences([words], {"kind": [labels]}))


def means(values: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    return [values[codes == code].astype(np.float64).mean(axis=0) for code in range(len(LABELS))]


def probeless(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Sum over pairs of labels of |mu_a - mu_b| [Antverg22]."""
    return sum((np.abs(a - b) for a, b in combinations(means(values, codes), 2)), np.zeros(NEURONS))


def probeless_of(values: np.ndarray, codes: np.ndarray, label: int) -> np.ndarray:
    """Sum over the other labels of |mu_l - mu_c|."""
    class_means = means(values, codes)
    return sum((np.abs(class_means[label] - other) for other in class_means), np.zeros(NEURONS))


def precision(values: np.ndarray, codes: np.ndarray, label: int) -> np.ndarray:
    """Average precision of each neuron for one label, as ``iou_probe`` of NeuroX's repository takes it."""
    loud = np.where(np.abs(values) < QUIET, 0.0, values)
    return np.array([average_precision_score(codes == label, loud[:, neuron]) for neuron in range(NEURONS)])


def descending(scores: np.ndarray) -> list[int]:
    return np.argsort(-scores, kind="stable").tolist()


def test_the_definition_of_probeless_gives_the_order_of_the_real_package() -> None:
    peer = real_neurox.load("interpretation.probeless")
    values, codes = drawn()
    numbers = real_neurox.class_numbers(LABELS)
    assert peer.get_neuron_ordering(values, codes) == descending(probeless(values, codes))
    overall, per_label = peer.get_neuron_ordering_for_all_tags(values, codes, dict(enumerate(LABELS)))
    assert overall == descending(probeless(values, codes))
    for number, label in enumerate(LABELS):
        expected = descending(probeless_of(values, codes, number))
        assert per_label[label] == expected
        assert peer.get_neuron_ordering_for_tag(values, codes, numbers, label) == expected


def test_probeless_gives_the_order_of_the_real_package() -> None:
    peer = real_neurox.load("interpretation.probeless")
    values, codes = drawn(1)
    ranking = rank("probeless", activations(values, codes), label="kind")
    overall, per_label = peer.get_neuron_ordering_for_all_tags(values, codes, dict(enumerate(LABELS)))
    assert ranking.order.tolist() == overall == peer.get_neuron_ordering(values, codes)
    assert {label: ranking.label(label).order.tolist() for label in LABELS} == per_label
    assert ranking.scores == pytest.approx(probeless(values, codes), rel=1e-9)
    for number, label in enumerate(LABELS):
        assert ranking.label(label).scores == pytest.approx(probeless_of(values, codes, number), rel=1e-9)


def test_average_precision_gives_the_order_of_neurox_where_no_activation_is_small() -> None:
    """Label A raises every neuron, so that the positive sign wins there, which alone NeuroX scores."""
    values, codes = drawn(2)
    ranking = rank("average-precision", activations(values, codes), label="kind", exact=True).label("A")
    expected = precision(values, codes, 0)
    assert ranking.scores == pytest.approx(expected, rel=1e-9)
    assert ranking.order.tolist() == descending(expected)


def test_average_precision_gives_the_order_of_neurox_once_small_activations_are_zeroed() -> None:
    values, codes = drawn(3)
    values[::3] /= 40.0
    expected = precision(values, codes, 0)
    as_it_is = rank("average-precision", activations(values, codes), label="kind", exact=True).label("A")
    assert not np.allclose(as_it_is.scores, expected, rtol=1e-3)
    values[np.abs(values) < QUIET] = 0.0
    ranking = rank("average-precision", activations(values, codes), label="kind", exact=True).label("A")
    assert ranking.scores == pytest.approx(expected, rel=1e-9)
