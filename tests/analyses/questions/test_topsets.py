from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import hypergeom

from onegrain.analyses.questions.topsets import (
    chance_overlap,
    default_k,
    mass_prefix,
    restrict_labels,
    top_sets,
)
from onegrain.errors import LabelError, ParameterError


def test_chance_overlap_against_every_possible_set() -> None:
    size, first, second = 7, np.array([0, 1, 2]), np.array([1, 2, 5, 6])
    shared = [len(set(other) & set(first.tolist())) for other in combinations(range(size), 4)]
    overlap = chance_overlap(first, second, size)
    assert overlap.shared == 2
    assert overlap.jaccard == pytest.approx(2 / 5)
    assert overlap.expected == pytest.approx(np.mean(shared))
    assert overlap.expected_jaccard == pytest.approx(np.mean([n / (7 - n) for n in shared]))
    assert overlap.p == pytest.approx(np.mean(np.array(shared) >= 2))


def test_chance_overlap_against_scipy() -> None:
    first, second = np.arange(30), np.arange(20, 70)
    overlap = chance_overlap(first, second, 500)
    assert overlap.expected == pytest.approx(hypergeom.mean(500, 30, 50))
    assert overlap.p == pytest.approx(hypergeom(500, 30, 50).sf(9))


def test_empty_and_impossible_sets() -> None:
    nothing = np.array([], dtype=np.int64)
    assert np.isnan(chance_overlap(nothing, nothing, 5).jaccard)
    assert chance_overlap(nothing, np.array([1]), 5).p == 1.0
    with pytest.raises(ParameterError, match="cannot be drawn"):
        chance_overlap(np.arange(6), np.arange(2), 5)


def test_mass_prefix_includes_the_crossing_neuron() -> None:
    mass = np.array([1.0, 4.0, 3.0, 2.0, 0.0])
    assert [mass_prefix(mass, share) for share in (0.1, 0.4, 0.41, 0.7, 1.0)] == [1, 1, 2, 2, 4]
    assert mass_prefix(np.zeros(3), 0.5) == 0


def test_top_sets_by_k_and_by_mass(make) -> None:
    ranking = make(np.array([[0, 3.0, 1, 1], [0, 0, 0, 2.0]]), ("a", "b"))
    assert [s.tolist() for s in top_sets(ranking, 2)] == [[1, 2], [3]]
    assert [s.tolist() for s in top_sets(ranking, mass=0.7)] == [[1, 2], [3]]
    assert [s.tolist() for s in top_sets(ranking, mass=0.5)] == [[1], [3]]


def test_refusals(make) -> None:
    ranking = make(np.ones((1, 4)), ("a",))
    with pytest.raises(ParameterError, match="not both"):
        top_sets(ranking, 2, mass=0.5)
    with pytest.raises(ParameterError, match="above 0"):
        top_sets(ranking, mass=0.0)
    with pytest.raises(ParameterError, match="k must be"):
        top_sets(ranking, 5)
    with pytest.raises(ParameterError, match="no weight mass"):
        top_sets(make(-np.ones((1, 4)), ("a",)))
    with pytest.raises(LabelError, match="no scores per label"):
        top_sets(replace(ranking, labels=(), label_scores=None))
    with pytest.raises(LabelError, match="its labels are: a"):
        restrict_labels(ranking, ["b"])


def test_default_k() -> None:
    assert [default_k(size) for size in (4, 300, 5000)] == [4, 10, 50]
