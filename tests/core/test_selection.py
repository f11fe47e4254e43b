"""Test the similarity of selections and orders against their definitions and by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from onegrain.core.selection import (
    mean_jaccard,
    rank_correlations,
    selection_stability,
    split_stability,
)
from onegrain.errors import ParameterError


def random_selections(rng: np.random.Generator, rows: int, d: int, k: int) -> np.ndarray:
    selections = np.zeros((rows, d), dtype=bool)
    for row in selections:
        row[rng.permutation(d)[:k]] = True
    return selections


@pytest.mark.parametrize("seed", range(5))
def test_phi_of_sets_of_one_size_is_the_mean_of_kunchevas_index(seed: int) -> None:
    rng = np.random.default_rng(seed)
    d, k = 17, int(rng.integers(1, 17))
    chosen = random_selections(rng, 6, d, k)
    pairs = [(chosen[i] & chosen[j]).sum() for i, j in combinations(range(6), 2)]
    expected = np.mean([(shared - k * k / d) / (k - k * k / d) for shared in pairs])
    assert selection_stability(chosen)[0] == pytest.approx(expected)
    two = np.array([[0, 1], [2, 3], [4, 5]])
    shared = np.array([(chosen[i] & chosen[j]).sum() for i, j in two])
    index = (shared - k * k / d) / (k - k * k / d)
    phi, low, high = split_stability(chosen, two)
    assert phi == pytest.approx(index.mean())
    half = stats.norm.ppf(0.975) * index.std(ddof=1) / np.sqrt(3)
    assert (low, high) == pytest.approx((phi - half, min(phi + half, 1.0)))


def test_the_interval_covers_the_true_phi_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.4, 1.0, size=40)
    true = 1.0 - (p * (1 - p)).mean() / (p.mean() * (1 - p.mean()))
    hits = 0
    for _ in range(1000):
        _, low, high = selection_stability(rng.random((100, 40)) < p)
        hits += low <= true <= high
    assert 920 <= hits <= 980


def test_random_selections_have_phi_near_zero_and_equal_ones_phi_one() -> None:
    rng = np.random.default_rng(1)
    chosen = random_selections(rng, 400, 50, 10)
    phi, low, high = selection_stability(chosen)
    assert abs(phi) < 0.01
    assert low < phi < high
    assert abs(split_stability(chosen, np.arange(400).reshape(-1, 2))[0]) < 0.03
    same = np.tile(chosen[0], (5, 1))
    assert selection_stability(same) == pytest.approx((1.0, 1.0, 1.0))
    assert mean_jaccard(same) == 1.0


def test_what_is_not_defined_is_nan() -> None:
    empty, full = np.zeros((3, 4), dtype=bool), np.ones((3, 4), dtype=bool)
    assert np.isnan(selection_stability(empty)).all()
    assert np.isnan(selection_stability(full)).all()
    assert np.isnan(split_stability(empty[:2], np.array([[0, 1]]))).all()
    phi, *bounds = selection_stability(np.array([[1, 1, 0], [1, 0, 0]]))
    assert np.isfinite(phi)
    assert np.isnan(bounds).all()
    assert np.isnan(mean_jaccard(empty))
    assert mean_jaccard(full) == 1.0
    assert np.isnan(rank_correlations(np.ones((3, 4)))).all()


def test_jaccard_and_correlations_by_their_definitions() -> None:
    rng = np.random.default_rng(2)
    chosen = rng.random((5, 12)) < 0.4
    pairs = list(combinations(range(5), 2))
    expected = [(chosen[i] & chosen[j]).sum() / (chosen[i] | chosen[j]).sum() for i, j in pairs]
    assert mean_jaccard(chosen) == pytest.approx(np.mean(expected))
    assert mean_jaccard(chosen, np.array(pairs[:3])) == pytest.approx(np.mean(expected[:3]))
    ranks = stats.rankdata(rng.integers(0, 6, size=(5, 12)), axis=1)
    correlations = rank_correlations(ranks)
    assert correlations[0] == pytest.approx(np.mean([stats.spearmanr(ranks[i], ranks[j])[0] for i, j in pairs]))
    assert correlations[1] == pytest.approx(
        np.mean([stats.kendalltau(ranks[i], ranks[j])[0] for i, j in pairs])
    )


def test_one_selection_or_an_impossible_level_is_refused() -> None:
    with pytest.raises(ParameterError, match="two or more"):
        selection_stability(np.ones((1, 4)))
    with pytest.raises(ParameterError, match="level"):
        selection_stability(np.eye(4), level=1.0)
