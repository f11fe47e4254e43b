"""Uncertainty: the bootstrap over sentences, and p-values of several tests corrected together."""

from __future__ import annotations

import numpy as np

from onegrain.errors import ParameterError

__all__ = [
    "SIGNIFICANT",
    "adjusted_p_values",
    "bootstrap_interval",
    "bootstrap_ratio",
    "bootstrap_ratios",
    "draw_p_values",
    "draw_weights",
    "quantile_interval",
]

DRAW_BYTES = 32 * 2**20

SIGNIFICANT = 0.05
"""The false discovery rate at which analyses and reports call something a discovery."""


def adjusted_p_values(p: np.ndarray) -> np.ndarray:
    """Return q, the p-values of tests that are read together, after Benjamini and Hochberg (1995).

    Calling all tests of q <= 0.05 discoveries keeps the expected share of false ones at 5 % or less, for tests
    that are independent or depend on each other positively. Every analysis corrects with this function.

    Args:
        p: float64 of any shape; a test without a p-value is NaN, keeps NaN and does not count.

    >>> adjusted_p_values(np.array([0.01, 0.04, np.nan, 0.5])).round(3).tolist()
    [0.03, 0.06, nan, 0.5]
    """
    from scipy.stats import false_discovery_control  # takes half a second to load

    values = np.asarray(p, dtype=np.float64)
    q, known = np.full(values.shape, np.nan), ~np.isnan(values)
    if known.any():
        q[known] = false_discovery_control(values[known], method="bh")
    return q


def bootstrap_ratio(
    numerators: np.ndarray,
    denominators: np.ndarray,
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return a percentile interval of ``sum(numerators) / sum(denominators)`` over resampled sentences.

    The words of a sentence are not independent, so complete sentences are drawn, with replacement, as many as
    there are. Each draw weighs a sentence by how often it was drawn. The bounds are the ``(1 - level) / 2``
    and ``(1 + level) / 2`` quantiles of the ratio over the draws [Efron and Tibshirani, *An Introduction to
    the Bootstrap*, 1993, ch. 13]. Columns of a two-dimensional input share the draws. A draw whose
    denominator is zero has no ratio and is left out.

    Args:
        numerators: (sentences,) or (sentences, metrics), e.g. right words of each sentence.
        denominators: (sentences,), or the shape of ``numerators``, e.g. words of each sentence.
        resamples: number of draws.
        level: share of the draws inside the interval, between 0 and 1.
        seed: random seed; the same seed gives the same interval.

    Returns:
        Lower and upper bound, float64: 0-d arrays for one metric, else (metrics,). NaN where no draw has a
        ratio.

    Raises:
        ParameterError: no sentence, shapes that differ, values that are not finite, fewer than two resamples,
            or a level outside (0, 1).

    >>> low, high = bootstrap_ratio(np.array([3, 1, 2, 2]), np.array([4, 4, 4, 4]))
    >>> float(low) < 0.5 < float(high)
    True
    """
    _require_level(level)
    ratios = bootstrap_ratios(numerators, denominators, resamples=resamples, seed=seed)
    low, high = quantile_interval(ratios.reshape(resamples, -1), level)
    return low.reshape(ratios.shape[1:]), high.reshape(ratios.shape[1:])


def bootstrap_ratios(
    numerators: np.ndarray, denominators: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Return ``sum(numerators) / sum(denominators)`` in each draw of sentences; see :func:`bootstrap_ratio`.

    The draws depend on the seed and the number of sentences only, so the ratios of different calls are paired.

    Returns:
        float64 (resamples,) or (resamples, metrics); NaN where a draw has no ratio.

    >>> bootstrap_ratios(np.array([3, 3]), np.array([4, 4]), resamples=2)
    array([0.75, 0.75])
    """
    above = np.asarray(numerators, dtype=np.float64)
    below = np.asarray(denominators, dtype=np.float64)
    if below.ndim == 1 and above.ndim == 2:
        below = below[:, None]
    _require_statistics(above, below, resamples)
    rng = np.random.default_rng(seed)
    flat, parts = above.reshape(len(above), -1), below.reshape(len(below), -1)
    ratios = np.empty((resamples, flat.shape[1]))
    step = max(1, DRAW_BYTES // (8 * len(flat)))
    for start in range(0, resamples, step):
        weights = draw_weights(rng, min(step, resamples - start), len(flat))
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (weights @ flat) / (weights @ parts)
        ratios[start : start + len(weights)] = np.where(np.isfinite(ratio), ratio, np.nan)
    return ratios.reshape(resamples, *above.shape[1:])


def bootstrap_interval(
    values: np.ndarray, *, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return a percentile interval of the mean of one value per sentence; see :func:`bootstrap_ratio`.

    >>> bootstrap_interval(np.ones(5))
    (1.0, 1.0)
    """
    ones = np.ones(np.asarray(values).shape)
    low, high = bootstrap_ratio(values, ones, resamples=resamples, level=level, seed=seed)
    return float(low), float(high)


def quantile_interval(draws: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the (1 - level) / 2 and (1 + level) / 2 quantiles of draws (draws, values), leaving out NaN.

    Both are float64 (values,), NaN for a value without a draw.
    """
    bounds = np.full((2, draws.shape[1]), np.nan)
    known = ~np.isnan(draws).all(axis=0)
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    bounds[:, known] = np.nanquantile(draws[:, known], tails, axis=0)
    return bounds[0], bounds[1]


def draw_p_values(draws: np.ndarray) -> np.ndarray:
    """Return the two-sided p-value of a value of 0 from bootstrap draws of it (draws, values): float64
    (values,).

    It is the smallest level at which the percentile interval leaves 0 out: twice the smaller share of draws on
    one side of 0, with one draw added to each side, so that it is never below 2 / (draws + 1). Draws that are
    NaN are left out; a value without a draw has NaN.

    >>> draw_p_values(np.array([[1.0, -1.0], [2.0, 1.0], [3.0, 2.0]])).tolist()
    [0.5, 1.0]
    """
    known = (~np.isnan(draws)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        fewer = np.minimum((draws <= 0.0).sum(axis=0), (draws >= 0.0).sum(axis=0))
    p = np.minimum(1.0, 2.0 * (fewer + 1) / (known + 1))
    return np.where(known > 0, p, np.nan)


def draw_weights(rng: np.random.Generator, draws: int, sentences: int) -> np.ndarray:
    """Return how often each sentence occurs in each draw, float64 (draws, sentences)."""
    picked = rng.integers(0, sentences, size=(draws, sentences))
    picked += np.arange(draws)[:, None] * sentences
    counts = np.bincount(picked.ravel(), minlength=draws * sentences)
    return counts.reshape(draws, sentences).astype(np.float64)


def _require_statistics(above: np.ndarray, below: np.ndarray, resamples: int) -> None:
    if above.ndim not in (1, 2) or not len(above):
        raise ParameterError(f"expected one value or one row per sentence, got an array of shape {above.shape}")
    if below.ndim != above.ndim or len(below) != len(above) or below.size not in (len(above), above.size):
        raise ParameterError(
            f"numerators have shape {above.shape}, denominators {below.shape}; they need the same sentences"
        )
    if not (np.isfinite(above).all() and np.isfinite(below).all()):
        raise ParameterError("a statistic of a sentence is not finite; leave that sentence out or repair it")
    if resamples < 2:
        raise ParameterError(f"resamples must be 2 or more, got {resamples}")


def _require_level(level: float) -> None:
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
