"""Confidence sequences: intervals of a mean that hold at every look together, however often one looks."""

from __future__ import annotations

import math

import numpy as np

from onegrain.errors import ParameterError

__all__ = ["mean_sequence", "ratio_sequence", "sequence_radius"]

LEAST_EFFECTIVE = 25.0


def sequence_radius(n: int, deviation: float, level: float, tuned_for: int) -> float:
    """Return half the width of a confidence sequence of a mean after n values.

    The sequence of intervals mean +- radius covers the mean of independent values at all n together with
    probability ``level``, in the limit of a late first look [Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
    *Time-uniform central limit theory and asymptotic confidence sequences*, Annals of Statistics 2024, theorem
    2.2, by Robbins' normal mixture]:

        radius = s sqrt(2 (n r^2 + 1) / (n r)^2 * log(sqrt(n r^2 + 1) / alpha)),   alpha = 1 - level

    Values need a finite variance and no bounds. The constant r makes the radius smallest near ``tuned_for``
    values: r^2 = (-2 log alpha + log(1 - 2 log alpha)) / tuned_for.

    Args:
        n: number of values, 1 or more.
        deviation: s, the standard deviation of the values.
        level: the probability, between 0 and 1.
        tuned_for: number of values.

    >>> round(sequence_radius(100, 1.0, 0.95, 100), 3)
    0.304
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    alpha = 1.0 - level
    square = (-2.0 * math.log(alpha) + math.log(1.0 - 2.0 * math.log(alpha))) / tuned_for
    spread = n * square + 1.0
    return deviation * math.sqrt(2.0 * spread / (n * n * square) * math.log(math.sqrt(spread) / alpha))


def mean_sequence(values: np.ndarray, level: float, tuned_for: int) -> tuple[float, float]:
    """Return the interval of a confidence sequence after some values; see :func:`sequence_radius`.

    The limit is not near while few values carry the variance, as when most sentences show no difference at
    all. So the first look is that at which the effective number of values, (sum d^2)^2 / sum d^4 of their
    deviations d from the mean, has reached 25; until then the interval is unbounded. With this rule,
    simulations hold the level for skewed, heavy-tailed and rarely non-zero values alike.

    Args:
        values: float64 (n,), two or more.
        level: the probability that all intervals of the sequence cover the mean.
        tuned_for: the number of values at which the interval is narrowest for its level.

    Returns:
        Lower and upper bound; minus and plus infinity before the first look, and if a value is not finite.
    """
    mean = float(values.mean())
    squares = (values - mean) ** 2
    effective = squares.sum() ** 2 >= LEAST_EFFECTIVE * (squares**2).sum()
    if not (effective and values.max() > values.min()):
        return -math.inf, math.inf
    radius = sequence_radius(len(values), float(values.std(ddof=1)), level, tuned_for)
    return mean - radius, mean + radius


def ratio_sequence(
    numerators: np.ndarray, denominators: np.ndarray, level: float, tuned_for: int
) -> tuple[float, float, float]:
    """Return a ratio of two sums and the interval of a confidence sequence of it.

    The ratio r is nearly the mean of r + (a - r b) / m, for numerators a, denominators b and the mean m of the
    denominators (the delta method), and the interval is that of this mean; see :func:`sequence_radius`.

    Args:
        numerators: float64 (n,), two or more, of independent sentences.
        denominators: float64 (n,), with a sum above 0.
        level: the probability that all intervals of the sequence cover the ratio.
        tuned_for: the number of values at which the interval is narrowest for its level.

    Returns:
        The ratio, lower and upper bound.
    """
    ratio = float(numerators.sum() / denominators.sum())
    low, high = mean_sequence(
        ratio + (numerators - ratio * denominators) / denominators.mean(), level, tuned_for
    )
    return ratio, low, high
