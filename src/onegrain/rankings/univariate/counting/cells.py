"""Cells: 256 intervals of a neuron's values, the same for every label, for histograms.

A neuron's values are measured from its middle m in units of s, z = (x - m) / s, and squeezed into (-1, 1) by z
/ (1 + |z|). Cells are equal steps of the squeezed value: narrow where most values lie, and wider further out.
The map is monotonic, so cells keep the order of values; values in one cell count as equal. m and s come from a
sample of the words, which decides only how finely values are resolved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from onegrain.core.constant import exponents_of
from onegrain.rankings.univariate.counting.grouped_words import GroupedWords
from onegrain.rankings.univariate.counting.kernels import CELLS, FURTHEST, assign_scaled_cells

__all__ = ["Cells"]

RUNS, RUN_WORDS, EVERY = 4, 2048, 4
"""The sample: every fourth word of four runs of 2048 words, spread evenly over the words."""
OUTER = (0.05, 0.95)
"""Quantiles of the sample from which the unit is computed."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of some neurons.

    Attributes:
        middle: float32 (neurons,), m: the median of the sample.
        unit: float32 (neurons,), s: twice the standard deviation of a normal distribution with the sample's 5 %
            and 95 % quantiles; where those are equal, twice that of the sample; where that is 0 too, the
            absolute value of the middle, or 1.
        exponent: int64 (neurons,), the powers of two by which values are multiplied first; m and s apply to the
            products. 0 except for neurons with very large or very small values.
    """

    middle: Float32[np.ndarray, " neurons"]
    unit: Float32[np.ndarray, " neurons"]
    exponent: Int64[np.ndarray, " neurons"]

    @property
    def factors(self) -> list[Float32[np.ndarray, " neurons"]]:
        """Factors by which values are multiplied first: a list of one array, empty if no value is scaled."""
        return [np.ldexp(np.float32(1.0), self.exponent)] if self.exponent.any() else []

    @classmethod
    def of(cls, words: GroupedWords, neurons: slice, *, ahead: bool = True) -> Cells:
        """Return the cells of a range of neurons, from a sample of the words that count.

        Where values are not finite, the cells are meaningless. With ``ahead``, a block is read while the one
        before is processed.
        """
        blocks = words.blocks("scales", neurons, _sample(words.among), checked=False, ahead=ahead)
        values = np.concatenate([block.T.copy() for _, block in blocks], axis=1)
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
        """Return the cells of all neurons, joined from those of neighbouring ranges."""
        return cls(
            *(
                np.concatenate([getattr(part, name) for part in parts])
                for name in ("middle", "unit", "exponent")
            )
        )

    def of_values(self, block: Float32[np.ndarray, "words neurons"]) -> UInt8[np.ndarray, "words neurons"]:
        """Return the cell of each value."""
        block_cells = np.empty(block.shape, dtype=np.uint8)
        factors = self.factors or [np.ones(len(self.unit), np.float32)]
        scale = np.stack([self.middle, self.unit, *factors])
        for row, row_cells in zip(block, block_cells, strict=True):
            assign_scaled_cells(row, scale, row_cells)
        return block_cells

    def values(self) -> Float64[np.ndarray, "neurons cells"]:
        """Return the value in the middle of each cell."""
        squeezed = (np.arange(CELLS) + 0.5 - CELLS / 2) / (CELLS / 2 - 0.5)
        squeezed = np.clip(squeezed, -1.0 + 1e-3, 1.0 - 1e-3)
        scaled = self.middle[:, None] + self.unit[:, None] * (squeezed / (1.0 - np.abs(squeezed)))
        return np.ldexp(scaled, -self.exponent[:, None]) if self.exponent.any() else scaled


def _sample(among: Bool[np.ndarray, " words"]) -> Bool[np.ndarray, " words"]:
    """Return a mask of the words in the sample: all words that count if they are few."""
    runs = -(-len(among) // RUN_WORDS)
    if runs <= RUNS:
        return among
    sample = np.zeros(len(among), dtype=bool)
    for run in np.linspace(0, runs - 1, RUNS).round().astype(int):
        sample[run * RUN_WORDS : (run + 1) * RUN_WORDS : EVERY] = True
    sample &= among
    return sample if sample.any() else among
