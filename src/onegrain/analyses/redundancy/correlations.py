"""Correlations of every two of some neurons, from one pass over the words in blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.linalg.blas import dsyr, dsyrk

from onegrain.core.constant import Extremes, rounding_of
from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations

__all__ = ["BLOCK_ROWS", "NeuronCorrelations", "correlations", "correlations_bytes"]

BLOCK_ROWS = 2048
"""Words per block: a chunk of a store."""


@dataclass(frozen=True, eq=False)
class NeuronCorrelations:
    """Pearson's r of every two neurons that change.

    Attributes:
        changing: bool (neurons,), the neurons that are not constant (constant.py of core).
        condensed: float64 (pairs,), r of every two neurons that change, in the order of
            :func:`scipy.spatial.distance.squareform`: of the first with each later one, of the second, ...;
            rounded to twelve decimals, so that exact copies have exactly 1.
        words: number of words that entered.
    """

    changing: Bool[np.ndarray, " neurons"]
    condensed: Float64[np.ndarray, " pairs"]
    words: int


def correlations_bytes(chosen: int, span: int) -> int:
    """Return the bytes that :func:`correlations` holds at its peak, without the activations' buffers.

    Args:
        chosen: number of neurons.
        span: number of neurons from the first to the last of them, inclusive; all of these are read.
    """
    return 12 * chosen**2 + BLOCK_ROWS * (4 * span + 12 * chosen)


def correlations(
    activations: Activations, neurons: np.ndarray, *, progress: Progress = automatic
) -> NeuronCorrelations:
    """Correlate every two of some neurons over the words that have an activation.

    Blocks are centred at their own means before they are multiplied, and merge in float64 [Chan, Golub, LeVeque
    1983], so a mean that is large beside the deviation costs no digits.

    Args:
        activations: activations of the neurons at every word.
        neurons: int64 flat indices, ascending.
        progress: receives the number of finished words.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    sums = _Sums(len(neurons), rounding_of(activations.array))
    present = activations.present
    if not present.any():
        raise ParameterError(
            f"no word of {activations.describe()} has an activation; extract with long=window, or other words"
        )
    first, last = int(neurons[0]), int(neurons[-1]) + 1
    room = np.empty(min(BLOCK_ROWS, activations.n_words) * (last - first), dtype=np.float32)
    within = slice(None) if last - first == len(neurons) else neurons - first
    with progress("correlations", int(present.sum()), "words") as advance:
        for start in range(0, activations.n_words, BLOCK_ROWS):
            active = present[start : start + BLOCK_ROWS]
            if not active.any():
                continue
            values = activations.values(start, start + len(active), slice(first, last), buffer=room)
            block = (values if active.all() else values[active])[:, within]
            if not sums.add(block):
                activations.require_finite(activations.values(start, start + len(active)), start, present)
            advance(len(block))
    return NeuronCorrelations(~sums.still, sums.condensed(), sums.words)


class _Sums:
    """Products of deviations of every two neurons: the lower triangle of a matrix in Fortran order."""

    def __init__(self, neurons: int, rounding: float) -> None:
        self.words = 0
        self.mean = np.zeros(neurons)
        self.products = np.zeros((neurons, neurons), order="F")
        self._extremes, self._rounding = Extremes(neurons), rounding

    @property
    def still(self) -> Bool[np.ndarray, " neurons"]:
        """The neurons that do not change by more than rounding."""
        return self._extremes.constant(self._rounding)

    def add(self, block: np.ndarray) -> bool:
        """Add a block (words, neurons); return False, and add nothing, if a value is not finite.

        The sums merge as S = S_n + S_m + (n m / (n + m)) d d', where d is the difference of the means. They are
        products of pairs, computed in BLAS; sums of single neurons are :class:`onegrain.core.moments.Spread`.
        """
        deviations = block.astype(np.float64)
        near = deviations[0].copy()
        with np.errstate(invalid="ignore"):
            deviations -= near
        rest = deviations.mean(axis=0)
        if not np.isfinite(rest).all():
            return False
        deviations -= rest
        self._extremes.add(block)
        total = self.words + len(block)
        difference = near + rest - self.mean
        weight = self.words * len(block) / total
        self.products = dsyrk(1.0, deviations.T, beta=1.0, c=self.products, lower=1, overwrite_c=1)
        self.products = dsyr(weight, difference, lower=1, a=self.products, overwrite_a=1)
        self.mean += difference * (len(block) / total)
        self.words = total
        return True

    def condensed(self) -> np.ndarray:
        """Return r of every two neurons that change, and free the matrix; call it once, at the end."""
        keep = np.flatnonzero(~self.still)
        pairs = np.empty(len(keep) * (len(keep) - 1) // 2)
        scale = 1.0 / np.sqrt(np.diagonal(self.products)[keep])
        start = 0
        for row, neuron in enumerate(keep[:-1], 1):
            later = self.products[keep[row:], neuron] * scale[row:] * scale[row - 1]
            pairs[start : start + len(later)] = np.clip(later, -1.0, 1.0).round(12)
            start += len(later)
        self.products = np.empty((0, 0))
        return pairs
