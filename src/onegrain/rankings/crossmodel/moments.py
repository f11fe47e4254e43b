"""Correlations between the neurons of two models, in one pass over the words and bounded memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.activations import Activations
from onegrain.errors import ParameterError

__all__ = ["Correlations", "correlations"]

TILE_BYTES = 256 * 2**20
BLOCK_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Correlations:
    """Pearson correlations of some neurons of one model with all neurons of another.

    Attributes:
        values: float64 (neurons, other neurons); NaN where either neuron is constant.
        constant: bool (neurons,), the first model's neurons that never change.
        other_constant: bool (other neurons,).
    """

    values: np.ndarray
    constant: np.ndarray
    other_constant: np.ndarray


class _Moments:
    """Running centred second moments of two arrays of columns, merged block by block.

    Two blocks of n and m words merge as S = S_n + S_m + (n m / (n + m)) d_x d_y' with d the difference of their
    means [Chan, Golub, LeVeque 1983, *Algorithms for computing the sample variance*]. float64 throughout.
    """

    def __init__(self, width: int, other_width: int) -> None:
        self.words = 0
        self.means = [np.zeros(width), np.zeros(other_width)]
        self.squares = [np.zeros(width), np.zeros(other_width)]
        self.lowest = [np.full(width, np.inf), np.full(other_width, np.inf)]
        self.highest = [np.full(width, -np.inf), np.full(other_width, -np.inf)]
        self.cross = np.zeros((width, other_width))

    def add(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        """Merge a block: two float64 arrays with the same words."""
        count = len(pair[0])
        total = self.words + count
        weight = self.words * count / total
        centred, apart = [], []
        for side, block in enumerate(pair):
            mean = block.mean(axis=0)
            centred.append(block - mean)
            apart.append(mean - self.means[side])
            self.squares[side] += np.square(centred[side]).sum(axis=0) + weight * apart[side] ** 2
            self.means[side] = self.means[side] + apart[side] * (count / total)
            self.lowest[side] = np.minimum(self.lowest[side], block.min(axis=0))
            self.highest[side] = np.maximum(self.highest[side], block.max(axis=0))
        self.cross += centred[0].T @ centred[1]
        self.cross += weight * np.outer(apart[0], apart[1])
        self.words = total

    def finish(self) -> Correlations:
        """The correlations; rounding beyond -1 and 1 is cut."""
        constant = [low == high for low, high in zip(self.lowest, self.highest, strict=True)]
        spreads = [np.where(still, np.nan, np.sqrt(s)) for still, s in zip(constant, self.squares, strict=True)]
        values = self.cross / spreads[0][:, None] / spreads[1]
        return Correlations(np.clip(values, -1.0, 1.0), constant[0], constant[1])


def correlations(
    activations: Activations, other: Activations, columns: slice, other_columns: slice
) -> Correlations:
    """Correlate two ranges of columns over the words that have an activation in both.

    Raises:
        MismatchError: the words differ.
        ParameterError: an activation is not finite, or there are fewer than two words.
    """
    activations.require_same_words(other)
    both = activations.present & other.present
    if both.sum() < 2:
        raise ParameterError("a correlation needs at least two words")
    moments = _Moments(columns.stop - columns.start, other_columns.stop - other_columns.start)
    for start in range(0, activations.n_words, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, activations.n_words)
        pair = []
        for one, wanted in ((activations, columns), (other, other_columns)):
            block = one.values(start, stop)
            one.require_finite(block, start, both)
            pair.append(block[both[start:stop], wanted].astype(np.float64))
        if len(pair[0]):
            moments.add((pair[0], pair[1]))
    return moments.finish()


def tiles(columns: slice, other_width: int) -> list[slice]:
    """Cut a range of columns so that one tile's correlations fit in ``TILE_BYTES``."""
    step = max(1, TILE_BYTES // (8 * other_width))
    return [slice(at, min(at + step, columns.stop)) for at in range(columns.start, columns.stop, step)]
