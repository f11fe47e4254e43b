"""Test which neurons are constant at any scale, and the powers of two by which values are rescaled."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.core.constant import (
    FLOAT32_ROUNDING,
    Extremes,
    constant_neurons,
    exponents_of,
    rounding_in,
    rounding_of,
)


def constant(values: np.ndarray, rounding: float = FLOAT32_ROUNDING) -> bool:
    column = np.asarray(values).astype(np.float32)[:, None]
    extremes = Extremes(1)
    for block in np.array_split(column, 3):
        extremes.add(block)
    still = extremes.constant(rounding)
    assert still.tolist() == constant_neurons(column.min(axis=0), column.max(axis=0), rounding).tolist()
    return bool(still[0])


NOISE = np.random.default_rng(0).normal(size=600)
ONE_WORD = (np.arange(600) == 17).astype(np.float64)
STEP = 2.0**-23


@pytest.mark.parametrize("scale", [1e-40, 1e-32, 1e-20, 1.0, 1e18, 1e37])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.ones(600), True),
        (NOISE, False),
        (1.0 + 1e-4 * NOISE, False),
        (1.0 + 1e-5 * ONE_WORD, False),
        (ONE_WORD, False),
        (1.0 + STEP * ONE_WORD, True),
        (1.0 + STEP * (NOISE > 0), True),
        (-1.0 - STEP * (NOISE > 0), True),
    ],
)
def test_the_rule_is_relative(values: np.ndarray, expected: bool, scale: float) -> None:
    if scale == 1e-40 and expected is False and np.ptp(values) < 1e-3:
        pytest.skip("float32 has five digits left at 1e-40")
    assert constant(values * scale) == expected


def test_a_small_deviation_under_a_large_mean_varies() -> None:
    for mean, deviation in ((1e4, 1e-2), (1e6, 1.0), (-3e6, 0.5), (65504.0, 0.02)):
        assert not constant(mean + deviation * NOISE)
        assert constant(np.full(600, mean))


def test_zeros_are_constant_and_a_single_tiny_value_among_them_is_not() -> None:
    assert constant(np.zeros(600))
    assert not constant(1e-45 * ONE_WORD)


def test_values_of_float16_are_constant_where_they_toggle_between_neighbours() -> None:
    rounding = rounding_of(np.zeros(1, dtype=np.float16))
    toggles = (100.0 + 0.03 * (NOISE > 0)).astype(np.float16).astype(np.float32)
    neighbours = np.where(NOISE > 0, np.float16(100.0), np.nextafter(np.float16(100.0), np.float16(200.0)))
    moves = (100.0 + 0.3 * NOISE).astype(np.float16)
    assert constant(toggles, rounding)
    assert constant(neighbours, rounding)
    assert not constant(neighbours, rounding_of(np.zeros(1, dtype=np.float32)))
    assert not constant(moves, rounding)


def test_roundings_are_those_of_the_values_as_they_are_read() -> None:
    assert rounding_of(np.zeros(1)) == rounding_of(np.zeros(1, np.float32)) == rounding_of(object())
    assert rounding_in(np.dtype(np.float64)) < 1e-14 < rounding_in(np.float32) == FLOAT32_ROUNDING


def test_exponents_bring_extreme_sizes_to_one_and_leave_ordinary_ones_alone() -> None:
    sizes = np.array([0.0, 1.0, 1e-9, 1e9, 1e-32, 1.5e18, 3e38, 1e-45, np.inf, np.nan])
    exponents = exponents_of(sizes)
    assert exponents[[0, 1, 2, 3, 8, 9]].tolist() == [0] * 6
    scaled = np.ldexp(sizes, exponents)
    assert ((scaled[4:6] >= 1.0) & (scaled[4:6] < 2.0)).all()
    assert np.abs(exponents).max() <= 126
    assert (np.ldexp(np.float32(1.0), exponents) > 0).all()


def test_nothing_seen_is_constant() -> None:
    assert Extremes(3).constant().all()
    assert (Extremes(3).sizes == 0.0).all()
