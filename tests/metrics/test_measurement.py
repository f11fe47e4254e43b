from __future__ import annotations

import numpy as np
import pytest

from onegrain.core.bootstrap import bootstrap_ratio, quantile_interval
from onegrain.errors import ParameterError
from onegrain.metrics.measurement import LEVEL, resampled_scores


def ratio(sums: np.ndarray) -> float:
    return float(sums[0] / sums[1])


def resampled_interval(statistics: np.ndarray, score, **options: int) -> tuple[float, float]:
    low, high = quantile_interval(resampled_scores(statistics, score, **options)[:, None], LEVEL)
    return float(low[0]), float(high[0])


@pytest.fixture
def statistics() -> np.ndarray:
    rng = np.random.default_rng(3)
    words = rng.integers(3, 30, size=400)
    return np.stack([rng.binomial(words, 0.7), words], axis=1).astype(np.float64)


def test_it_agrees_with_the_bootstrap_of_a_ratio(statistics: np.ndarray) -> None:
    interval = resampled_interval(statistics, ratio, resamples=4000)
    expected = bootstrap_ratio(statistics[:, 0], statistics[:, 1], resamples=4000)
    np.testing.assert_allclose(interval, expected, atol=2e-3)


def test_it_agrees_with_the_normal_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(5.0, 2.0, size=2000)
    statistics = np.stack([values, np.ones(2000)], axis=1)
    half = 1.96 * values.std(ddof=1) / np.sqrt(2000)
    interval = resampled_interval(statistics, ratio, resamples=4000)
    np.testing.assert_allclose(interval, [values.mean() - half, values.mean() + half], atol=0.15 * half)


def test_sentences_that_are_alike_leave_no_doubt() -> None:
    assert resampled_interval(np.full((50, 2), 3.0), ratio) == (1.0, 1.0)


def test_the_seed_decides_the_draws(statistics: np.ndarray) -> None:
    first, again, other = (resampled_interval(statistics, ratio, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_no_sentence_is_refused() -> None:
    with pytest.raises(ParameterError, match="no sentence"):
        resampled_scores(np.zeros((0, 2)), ratio)
