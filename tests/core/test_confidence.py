"""Confidence sequences hold their level at all looks together, by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from onegrain.core.confidence import mean_sequence, ratio_sequence, sequence_radius
from onegrain.errors import ParameterError

LOOKS = range(100, 2001, 100)
RUNS = 1500

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

VALUES: dict[str, Draw] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "skewed": lambda rng, size: rng.exponential(size=size) - 1.0,
    "heavy tails": lambda rng, size: rng.standard_t(4, size=size),
    "one in twenty": lambda rng, size: (rng.random(size) < 0.05) - 0.05,
    "one in hundred": lambda rng, size: (rng.random(size) < 0.01) - 0.01,
}


def missed(values: np.ndarray) -> float:
    """Return the share of runs (runs, values) in which some interval of the sequence does not cover 0."""
    out = 0
    for run in values:
        intervals = (mean_sequence(run[:n], 0.95, 200) for n in LOOKS)
        out += any(low > 0.0 or high < 0.0 for low, high in intervals)
    return out / len(values)


@pytest.mark.parametrize("kind", VALUES)
def test_all_looks_together_miss_the_mean_in_five_percent_of_runs_or_less(kind: str) -> None:
    rng = np.random.default_rng(1)
    assert missed(VALUES[kind](rng, (RUNS, LOOKS[-1]))) < 0.05


def test_a_fixed_interval_at_every_look_would_miss_it_far_more_often() -> None:
    """The repeated use of a 95 % interval for one look is what the sequence is for."""
    values = np.random.default_rng(2).standard_normal((RUNS, LOOKS[-1]))
    sums = values.cumsum(axis=1)
    fixed = np.zeros(RUNS, dtype=bool)
    for n in LOOKS:
        fixed |= np.abs(sums[:, n - 1] / n) > 1.96 / np.sqrt(n)
    assert fixed.mean() > 0.15


def test_ratios_hold_their_level_too() -> None:
    """Nats per token: sentences of different lengths, whose differences grow with their length."""
    rng = np.random.default_rng(4)
    out = 0
    for _ in range(400):
        tokens = 1.0 + rng.poisson(8, size=1000)
        differences = tokens * (0.2 + rng.standard_normal(1000)) + rng.standard_normal(1000)
        intervals = [ratio_sequence(differences[:n], tokens[:n], 0.95, 200) for n in range(100, 1001, 100)]
        out += not all(low <= 0.2 <= high for _, low, high in intervals)
    assert out / 400 < 0.05
    assert intervals[-1][0] == pytest.approx(differences.sum() / tokens.sum())


def test_the_first_look_waits_for_values_that_carry_the_variance() -> None:
    """A formula for many values alike would be sure after 100 values of which few are not 0."""
    rare = np.zeros(100)
    rare[:10] = 1.0
    assert mean_sequence(rare, 0.95, 200) == (-np.inf, np.inf)
    rare[:40] = 1.0
    low, high = mean_sequence(rare, 0.95, 200)
    assert 0.0 < low < 0.4 < high
    for never in (np.ones(100), np.append(np.zeros(99), np.inf), np.append(np.zeros(99), np.nan)):
        with np.errstate(invalid="ignore"):
            assert mean_sequence(never, 0.95, 200) == (-np.inf, np.inf)


def test_a_difference_is_found_early() -> None:
    values = np.random.default_rng(3).standard_normal((200, LOOKS[-1])) + 0.5
    found = [next(n for n in LOOKS if mean_sequence(row[:n], 0.95, 200)[0] > 0.0) for row in values]
    assert np.mean(found) < 200


def test_the_radius_is_that_of_the_normal_mixture() -> None:
    """Reference: (n r^2 + 1)^-1/2 exp(r^2 S^2 / 2(n r^2 + 1)), a martingale, is 1 / alpha at the radius."""
    for n, level in ((100, 0.95), (1000, 0.9)):
        alpha = 1 - level
        square = (-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / 300
        total = n * sequence_radius(n, 1.0, level, 300)
        martingale = np.exp(square * total**2 / (2 * (n * square + 1))) / np.sqrt(n * square + 1)
        assert martingale == pytest.approx(1 / alpha)
    assert sequence_radius(50, 2.0, 0.9, 100) == pytest.approx(2 * sequence_radius(50, 1.0, 0.9, 100))
    with pytest.raises(ParameterError, match="level must lie between 0 and 1"):
        sequence_radius(10, 1.0, 1.0, 10)
