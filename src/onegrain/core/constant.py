"""The one definition of a constant neuron, and the powers of two that bring neurons to a size of about one.

A neuron is *constant* over some words if its values could all be one number, rounded differently: if the range
of its values is no larger than the rounding of the largest of them,

    max x - min x  <=  rounding * max |x|.

``rounding`` is what float32 arithmetic errs by, four units of its last place (4 * 2^-23, some 5e-7); where the
values were stored as float16, one step of that is added (2^-10, some 1e-3). The rule is relative: a dead unit
of some 1e-32 that still moves is not constant, a bias of 1000 that toggles between two neighbouring floats is.
One word at which a neuron differs by more than that is enough for it to vary, however many words there are.
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
"""2^126 and 2^-126 are normal numbers of float32, so that multiplying by them rounds nothing that is."""


def rounding_of(array: Any) -> float:
    """Return the relative rounding of values that are read as float32 from an array, a store's or a model's."""
    stored = str(getattr(array, "dtype", "float32")).removeprefix("torch.")
    return FLOAT32_ROUNDING + (FLOAT16_STEP if stored == "float16" else 0.0)


def rounding_in(dtype: Any) -> float:
    """Return the relative rounding of values that are computed with as they are, in float64 or float32."""
    return FLOAT64_ROUNDING if str(dtype).removeprefix("torch.") == "float64" else FLOAT32_ROUNDING


def constant_neurons(
    least: np.ndarray, greatest: np.ndarray, rounding: float = FLOAT32_ROUNDING
) -> Bool[np.ndarray, " neurons"]:
    """Return which neurons are constant, by the least and the greatest value of each, (neurons,)."""
    low, high = np.asarray(least, dtype=np.float64), np.asarray(greatest, dtype=np.float64)
    return np.asarray(high - low <= rounding * np.maximum(np.abs(low), np.abs(high)))


def exponents_of(sizes: np.ndarray) -> Int64[np.ndarray, " neurons"]:
    """Return the power of two by which each neuron is to be multiplied, so that float32 holds its squares.

    It is 0 for neurons whose largest absolute value is ordinary, so that nothing changes for them to the bit;
    others are brought to a largest value from 1 to 2, as far as 2^126 or 2^-126 goes. Multiplying by a power of
    two rounds nothing, so scores that do not depend on a neuron's scale come out as for the neuron at size one.

    Args:
        sizes: (neurons,), the largest absolute value of each; what is 0 or not finite has the exponent 0.
    """
    known = np.asarray(sizes, dtype=np.float64)
    usable = np.isfinite(known) & (known > 0.0)
    scale = np.frexp(np.where(usable, known, 1.0))[1] - 1
    extreme = usable & (np.abs(scale) > ORDINARY)
    return np.where(extreme, np.clip(-scale, -LARGEST_EXPONENT, LARGEST_EXPONENT), 0).astype(np.int64)


class Extremes:
    """The least and the greatest value of each neuron, over blocks of words.

    Attributes:
        least: float64 (neurons,), inf before the first block.
        greatest: float64 (neurons,), -inf before the first block.
    """

    def __init__(self, neurons: int) -> None:
        self.least: Float64[np.ndarray, " neurons"] = np.full(neurons, np.inf)
        self.greatest: Float64[np.ndarray, " neurons"] = np.full(neurons, -np.inf)

    def add(self, block: np.ndarray) -> None:
        """Take in a block (words, neurons)."""
        if len(block):
            np.minimum(self.least, block.min(axis=0), out=self.least)
            np.maximum(self.greatest, block.max(axis=0), out=self.greatest)

    @property
    def sizes(self) -> Float64[np.ndarray, " neurons"]:
        """The largest absolute value of each neuron; 0 before the first block."""
        return np.maximum(np.maximum(-self.least, self.greatest), 0.0)

    def constant(self, rounding: float = FLOAT32_ROUNDING) -> Bool[np.ndarray, " neurons"]:
        """Return which neurons are constant; all of them before the first block."""
        seen = self.least <= self.greatest
        return ~seen | constant_neurons(
            np.where(seen, self.least, 0.0), np.where(seen, self.greatest, 0.0), rounding
        )
