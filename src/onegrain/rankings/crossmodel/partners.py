"""The neurons of other models that are most like each neuron."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from onegrain.rankings.crossmodel.sums.moments import Moments, Product

__all__ = ["Partners", "correlations"]

CHUNK_BYTES = 32 * 2**20


class Partners:
    """The best partners of every neuron in each other model, best first.

    Attributes:
        neuron: int64 (models, neurons, partners), flat indices in the other model; -1 where there is none.
        correlation: float64, likewise, signed; NaN where there is none.
        signed: whether the largest correlation is best, not the largest absolute one.
    """

    def __init__(self, models: int, neurons: int, partners: int, *, signed: bool) -> None:
        self.neuron: Int64[np.ndarray, "models neurons partners"] = np.full(
            (models, neurons, partners), -1, dtype=np.int64
        )
        self.correlation: Float64[np.ndarray, "models neurons partners"] = np.full(
            (models, neurons, partners), np.nan
        )
        self.signed = signed

    def take(self, moments: Moments, product: Product, sums: Tensor) -> None:
        """Take in a product of the ranked model, number 0, with another.

        What is as good as a partner that is known comes after it, so ties go to the lower index.
        """
        model = product.right - 1
        for rows, values in correlations(moments, product, sums):
            at = slice(rows.start + product.left_neurons.start, rows.stop + product.left_neurons.start)
            found, sizes = _best(self._size(values), self.neuron.shape[2])
            neuron = np.concatenate([self.neuron[model, at], found + product.right_neurons.start], axis=1)
            signed = np.where(np.isneginf(sizes), np.nan, np.take_along_axis(values, found, axis=1))
            correlation = np.concatenate([self.correlation[model, at], signed], axis=1)
            known = self._size(self.correlation[model, at])
            order = np.argsort(-np.concatenate([known, sizes], axis=1), axis=1, kind="stable")
            order = order[:, : self.neuron.shape[2]]
            correlation = np.take_along_axis(correlation, order, axis=1)
            self.correlation[model, at] = correlation
            self.neuron[model, at] = np.where(
                np.isnan(correlation), -1, np.take_along_axis(neuron, order, axis=1)
            )

    @property
    def scores(self) -> Float64[np.ndarray, "models neurons"]:
        """Each neuron's score in each other model: that of its best partner; NaN where there is none."""
        best = self.correlation[:, :, 0]
        return best if self.signed else np.abs(best)

    def _size(self, values: np.ndarray) -> np.ndarray:
        size = values if self.signed else np.abs(values)
        return np.where(np.isnan(size), -np.inf, size)


def correlations(
    moments: Moments, product: Product, sums: Tensor
) -> Iterator[tuple[slice, Float64[np.ndarray, "rows columns"]]]:
    """The Pearson correlations of a product, some rows at a time; NaN where either neuron is constant.

    Rounding beyond -1 and 1 is cut.
    """
    scales = []
    for model, neurons in ((product.left, product.left_neurons), (product.right, product.right_neurons)):
        side = moments.sides[model].at(neurons)
        with np.errstate(divide="ignore"):
            inverse = np.where(side.constant, np.nan, 1.0 / np.sqrt(side.squares))
        scales.append(torch.from_numpy(inverse).to(sums.device))
    n_rows, n_columns = sums.shape
    step = max(1, CHUNK_BYTES // (8 * n_columns))
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        values = sums[rows].double() * scales[0][rows, None] * scales[1]
        yield rows, values.clamp_(-1.0, 1.0).cpu().numpy()


def _best(sizes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The columns of the largest sizes of each row, and those sizes; the first column of equals."""
    rows = np.arange(len(sizes))
    found = np.empty((len(sizes), min(count, sizes.shape[1])), dtype=np.int64)
    best = np.empty(found.shape)
    for at in range(found.shape[1]):
        found[:, at] = sizes.argmax(axis=1)
        best[:, at] = sizes[rows, found[:, at]]
        sizes[rows, found[:, at]] = -np.inf
    return found, best
