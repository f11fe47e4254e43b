"""The one definition of a constant neuron, and the powers of two that bring neurons to a size of about one.

A neuron is *constant* over some words if its values could all be one number, rounded differently: if the range
of its values is no larger than the rounding of the largest of them,

    max x - min x  <=  rounding * max |x|.

``rounding`` is the error of float32 arithmetic, four units in the last place (4 * 2^-23, about 5e-7). For
values that were stored as float16, one step of float16 is added (2^-10, about 1e-3). The rule is relative: a
dead unit of about 1e-32 that still moves is not constant, but a bias of 1000 that toggles between two
neighbouring floats is. A single word at which a neuron differs by more than that makes it vary, regardless of
the number of words.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

__all__ = [
    "FLOAT32_ROUNDING",
    "ORDINARY",
    "Extremes",
    "constant_neurons",
    "exponents_of",
    "rounding_in",
    "rounding_of",
]

FLOAT64_ROUNDING = 4 * 2.0**-52
FLOAT32_ROUNDING = 4 * 2.0**-23
FLOAT16_STEP = 2.0**-10
ORDINARY = 30
"""Values from 2^-30 to 2^30 are left as they are: float32 holds their squares, products, and sums of these."""
LARGEST_EXPONENT = 126
"""2^126 and 2^-126 are normal numbers of float32, so multiplying normal numbers by them rounds nothing."""


def rounding_of(array: Any) -> float:
    """Return the relative rounding of values that are read as float32 from an array, a store or a model."""
    stored = str(getattr(array, "dtype", "float32")).removeprefix("torch.")
    return FLOAT32_ROUNDING + (FLOAT16_STEP if stored == "float16" else 0.0)


def rounding_in(dtype: Any) -> float:
    """Return the relative rounding of values that are used in their own precision, float64 or float32."""
    return FLOAT64_ROUNDING if str(dtype).removeprefix("torch.") == "float64" else FLOAT32_ROUNDING


def constant_neurons(
    least: np.ndarray, greatest: np.ndarray, rounding: float = FLOAT32_ROUNDING
) -> Bool[np.ndarray, " neurons"]:
    """Return True for each constant neuron, from the smallest and largest value of each, (neurons,)."""
    low, high = np.asarray(least, dtype=np.float64), np.asarray(greatest, dtype=np.float64)
    return np.asarray(high - low <= rounding * np.maximum(np.abs(low), np.abs(high)))


def exponents_of(sizes: np.ndarray) -> Int64[np.ndarray, " neurons"]:
    """Return the exponent of the power of two that scales each neuron so that float32 holds its squares.

    It is 0 for neurons whose largest absolute value is ordinary: their values stay the same to the bit. Others
    are scaled to a largest value from 1 to 2, as far as 2^126 or 2^-126 allows. Multiplying by a power of two
    rounds nothing, so scores that do not depend on a neuron's scale are those of the neuron at size one.

    Args:
        sizes: (neurons,), the largest absolute value of each; a size of 0, inf or NaN has the exponent 0.
    """
    known = np.asarray(sizes, dtype=np.float64)
    usable = np.isfinite(known) & (known > 0.0)
    scale = np.frexp(np.where(usable, known, 1.0))[1] - 1
    extreme = usable & (np.abs(scale) > ORDINARY)
    return np.where(extreme, np.clip(-scale, -LARGEST_EXPONENT, LARGEST_EXPONENT), 0).astype(np.int64)


class Extremes:
    """The smallest and the largest value of each neuron, over blocks of words.

    Attributes:
        least: float64 (neurons,), inf before the first block.
        greatest: float64 (neurons,), -inf before the first block.
    """

    def __init__(self, neurons: int) -> None:
        self.least: Float64[np.ndarray, " neurons"] = np.full(neurons, np.inf)
        self.greatest: Float64[np.ndarray, " neurons"] = np.full(neurons, -np.inf)

    def add(self, block: np.ndarray) -> None:
        """Accumulate a block (words, neurons)."""
        if len(block):
            np.minimum(self.least, block.min(axis=0), out=self.least)
            np.maximum(self.greatest, block.max(axis=0), out=self.greatest)

    @property
    def sizes(self) -> Float64[np.ndarray, " neurons"]:
        """The largest absolute value of each neuron; 0 before the first block."""
        return np.maximum(np.maximum(-self.least, self.greatest), 0.0)

    def constant(self, rounding: float = FLOAT32_ROUNDING) -> Bool[np.ndarray, " neurons"]:
        """Return True for each constant neuron; for all of them before the first block."""
        seen = self.least <= self.greatest
        return ~seen | constant_neurons(
            np.where(seen, self.least, 0.0), np.where(seen, self.greatest, 0.0), rounding
        )
