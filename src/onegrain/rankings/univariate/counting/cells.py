"""Cells: 256 intervals of a neuron's values, the same for every label, so that a histogram tells them apart.

A neuron's values are measured from its middle m in units of s, z = (x - m) / s, and squeezed into (-1, 1) by
z / (1 + |z|). Equal steps there are cells: fine where most values lie, and still apart far out. The map rises,
so cells keep the order of values; values in one cell count as equal. m and s come from a sample of the words,
which decides how finely values are told apart and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from onegrain.core.constant import exponents_of
from onegrain.rankings.univariate.counting.grouped_words import CountedWords
from onegrain.rankings.univariate.counting.kernels import CELLS, FURTHEST, lay_scaled

__all__ = ["Cells"]

RUNS, RUN_WORDS, EVERY = 4, 2048, 4
"""The sample: every fourth word of so many runs of words, spread evenly."""
OUTER = (0.05, 0.95)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of some neurons.

    Attributes:
        middle: float32 (neurons,), m: the median of the sample.
        unit: float32 (neurons,), s: twice the standard deviation of a normal neuron with the sample's 5 % and
            95 % quantiles; of the sample itself where those are equal; else the size of the middle, or 1.
        exponent: int64 (neurons,), the powers of two by which values are multiplied first; m and s are of what
            comes out. 0 but for neurons whose values are very large or very small.
    """

    middle: Float32[np.ndarray, " neurons"]
    unit: Float32[np.ndarray, " neurons"]
    exponent: Int64[np.ndarray, " neurons"]

    @property
    def factors(self) -> list[Float32[np.ndarray, " neurons"]]:
        """What values are multiplied by first, one array, or none where all are left as they are."""
        return [np.ldexp(np.float32(1.0), self.exponent)] if self.exponent.any() else []

    @classmethod
    def of(cls, words: CountedWords, neurons: slice, *, ahead: bool = True) -> Cells:
        """The cells of a range of neurons, from a sample of the words that count.

        ``ahead``: read words while others are computed with. Where values are not finite, cells mean nothing.
        """
        read = words.blocks("scales", neurons, _sample(words.among), checked=False, ahead=ahead)
        values = np.concatenate([block.T.copy() for _, block in read], axis=1)
        values.sort(axis=1)
        exponent = exponents_of(np.abs(values[:, [0, -1]]).max(axis=1))
        if exponent.any():
            values = np.ldexp(values, exponent[:, None])
        low, middle, high = (
            values[:, round(share * (values.shape[1] - 1))] for share in (OUTER[0], 0.5, OUTER[1])
        )
        with np.errstate(invalid="ignore"):
            unit = 2.0 * (high.astype(np.float64) - low) / 3.2897
            flat = ~(unit > 0.0)
            unit[flat] = 2.0 * values[flat].std(axis=1, dtype=np.float64)
        unit = np.where(unit > 0.0, unit, np.abs(middle))
        unit = np.minimum(np.where(unit > 0.0, unit, 1.0), FURTHEST)
        return cls(np.clip(middle, -FURTHEST, FURTHEST), unit.astype(np.float32), exponent)

    @classmethod
    def joined(cls, parts: Sequence[Cells]) -> Cells:
        """The cells of all neurons, from those of neighbouring ranges."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("middle", "unit", "exponent")
            )
        )

    def of_values(self, block: Float32[np.ndarray, "words neurons"]) -> UInt8[np.ndarray, "words neurons"]:
        """The cell of each value."""
        found = np.empty(block.shape, dtype=np.uint8)
        factors = self.factors or [np.ones(len(self.unit), np.float32)]
        scale = np.stack([self.middle, self.unit, *factors])
        for row, cells in zip(block, found, strict=True):
            lay_scaled(row, scale, cells)
        return found

    def values(self) -> Float64[np.ndarray, "neurons cells"]:
        """The value in the middle of each cell."""
        squeezed = (np.arange(CELLS) + 0.5 - CELLS / 2) / (CELLS / 2 - 0.5)
        squeezed = np.clip(squeezed, -1.0 + 1e-3, 1.0 - 1e-3)
        scaled = self.middle[:, None] + self.unit[:, None] * (squeezed / (1.0 - np.abs(squeezed)))
        return np.ldexp(scaled, -self.exponent[:, None]) if self.exponent.any() else scaled


def _sample(among: Bool[np.ndarray, " words"]) -> Bool[np.ndarray, " words"]:
    """Which of the words that count are in the sample: all of them where there are few."""
    runs = -(-len(among) // RUN_WORDS)
    if runs <= RUNS:
        return among
    sample = np.zeros(len(among), dtype=bool)
    for run in np.linspace(0, runs - 1, RUNS).round().astype(int):
        sample[run * RUN_WORDS : (run + 1) * RUN_WORDS : EVERY] = True
    sample &= among
    return sample if sample.any() else among
