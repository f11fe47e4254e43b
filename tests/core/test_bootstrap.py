"""The bootstrap: against a naive loop, against the normal interval, and on what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.core import bootstrap as statistics
from onegrain.core.bootstrap import adjusted_p_values, bootstrap_interval, bootstrap_ratio
from onegrain.errors import ParameterError


def sentences(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    words = rng.integers(3, 30, size=n)
    return rng.binomial(words, 0.7), words


def test_equals_a_loop_over_draws() -> None:
    right, words = sentences()
    rng = np.random.default_rng(5)
    ratios = []
    for _ in range(200):
        picked = rng.integers(0, len(words), size=len(words))
        ratios.append(right[picked].sum() / words[picked].sum())
    low, high = bootstrap_ratio(right, words, resamples=200, seed=5)
    assert [float(low), float(high)] == pytest.approx(np.quantile(ratios, [0.025, 0.975]), rel=1e-12)


def test_agrees_with_the_normal_interval_of_a_mean() -> None:
    values = np.random.default_rng(2).normal(size=4000)
    low, high = bootstrap_interval(values, resamples=2000, seed=3)
    error = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + error, abs=0.15 * error)


def test_columns_share_the_draws_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    right, words = sentences()
    table = np.stack([right, words - right], axis=1)
    low, high = bootstrap_ratio(table, words, seed=4)
    assert low.shape == (2,)
    assert low[0] + high[1] == pytest.approx(1.0)
    monkeypatch.setattr(statistics, "DRAW_BYTES", 8 * len(words) * 7)
    again = bootstrap_ratio(table, words, seed=4)
    assert np.array_equal(low, again[0])
    assert np.array_equal(high, again[1])


def test_same_seed_same_interval_and_wider_level_wider_interval() -> None:
    right, words = sentences()
    narrow, wide = bootstrap_ratio(right, words, level=0.5), bootstrap_ratio(right, words, level=0.99)
    assert bootstrap_ratio(right, words) == bootstrap_ratio(right, words)
    assert wide[0] < narrow[0] <= right.sum() / words.sum() <= narrow[1] < wide[1]


def test_no_denominator_gives_nan() -> None:
    low, high = bootstrap_ratio(np.ones((3, 2)), np.array([[0, 1], [0, 1], [0, 1]]))
    assert np.isnan(low[0])
    assert np.isnan(high[0])
    assert (low[1], high[1]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"numerators": np.ones((0,)), "denominators": np.ones((0,))}, "one value or one row per sentence"),
        ({"denominators": np.ones(3)}, "same sentences"),
        ({"numerators": np.array([1.0, np.nan])}, "not finite"),
        ({"resamples": 1}, "resamples"),
        ({"level": 1.0}, "level"),
    ],
)
def test_refusals(change: dict, message: str) -> None:
    arguments = {"numerators": np.ones(2), "denominators": np.ones(2)} | change
    with pytest.raises(ParameterError, match=message):
        bootstrap_ratio(arguments.pop("numerators"), arguments.pop("denominators"), **arguments)


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg_over_the_known_ones() -> None:
    p = np.array([[0.02, np.nan, 0.9], [0.011, 0.03, 0.01]])
    expected = [[5 * 0.02 / 3, np.nan, 0.9], [5 * 0.011 / 2, 5 * 0.03 / 4, 5 * 0.011 / 2]]
    np.testing.assert_allclose(adjusted_p_values(p), expected)
    assert adjusted_p_values(np.empty(0)).shape == (0,)
    assert np.isnan(adjusted_p_values(np.array([np.nan]))).all()
