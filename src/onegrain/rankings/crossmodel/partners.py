"""The neurons of other models that correlate most with each neuron."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product

__all__ = ["Partners", "correlations"]

CHUNK_BYTES = 32 * 2**20
"""Bytes of correlations (float64) that are held at once."""


class Partners:
    """A collector of the best partners of every neuron in each other model, best first.

    Attributes:
        neuron: int64 (models, neurons, partners), flat indices in the other model; -1 for a missing partner.
        correlation: float64 (models, neurons, partners), signed; NaN for a missing partner.
        signed: True if the best partner has the largest correlation, False if the largest absolute correlation.
        products: always empty: partners need no further products.
        bytes_held: always 0.
        by_site: always False: products of all sites at once will do.
    """

    products: Sequence[Product] = ()
    bytes_held = 0
    by_site = False

    def __init__(self, models: int, neurons: int, partners: int, *, signed: bool) -> None:
        self.neuron: Int64[np.ndarray, "models neurons partners"] = np.full(
            (models, neurons, partners), -1, dtype=np.int64
        )
        self.correlation: Float64[np.ndarray, "models neurons partners"] = np.full(
            (models, neurons, partners), np.nan
        )
        self.signed = signed

    def add(self, moments: CrossMoments) -> None:
        """Add the partners of some neurons of the ranked model, number 0."""
        for product, sums in moments.products:
            if product.left == 0:
                self._add_product(moments, product, sums)

    def _add_product(self, moments: CrossMoments, product: Product, sums: Tensor) -> None:
        """Merge the partners in one product into those known; equally good ones go to the lower index."""
        model, n_partners = product.right - 1, self.neuron.shape[2]
        for rows, values in correlations(moments, product, sums):
            ranked = slice(rows.start + product.left_neurons.start, rows.stop + product.left_neurons.start)
            columns, sizes = _best(self._size(values), n_partners)
            neuron = np.concatenate([self.neuron[model, ranked], columns + product.right_neurons.start], axis=1)
            signed = np.where(np.isneginf(sizes), np.nan, np.take_along_axis(values, columns, axis=1))
            correlation = np.concatenate([self.correlation[model, ranked], signed], axis=1)
            known = self._size(self.correlation[model, ranked])
            order = np.argsort(-np.concatenate([known, sizes], axis=1), axis=1, kind="stable")[:, :n_partners]
            correlation = np.take_along_axis(correlation, order, axis=1)
            self.correlation[model, ranked] = correlation
            self.neuron[model, ranked] = np.where(
                np.isnan(correlation), -1, np.take_along_axis(neuron, order, axis=1)
            )

    @property
    def scores(self) -> Float64[np.ndarray, "models neurons"]:
        """Each neuron's correlation with its best partner in each other model; NaN without a partner."""
        best = self.correlation[:, :, 0]
        return best if self.signed else np.abs(best)

    def _size(self, values: np.ndarray) -> np.ndarray:
        """Return by what correlations are compared; -inf for NaN."""
        size = values if self.signed else np.abs(values)
        return np.where(np.isnan(size), -np.inf, size)


def correlations(
    moments: CrossMoments, product: Product, sums: Tensor
) -> Iterator[tuple[slice, Float64[np.ndarray, "rows columns"]]]:
    """Yield the Pearson correlations of a product, some rows at a time; NaN where either neuron is constant.

    Values are clipped to -1 and 1.
    """
    scales = []
    for model, neurons in ((product.left, product.left_neurons), (product.right, product.right_neurons)):
        known = moments.by_model[model].restrict(neurons)
        with np.errstate(divide="ignore"):
            inverse = np.where(known.constant, np.nan, 1.0 / np.sqrt(known.squares))
        scales.append(torch.from_numpy(inverse).to(sums.device))
    n_rows, n_columns = sums.shape
    step = max(1, CHUNK_BYTES // (8 * n_columns))
    for start in range(0, n_rows, step):
        rows = slice(start, min(start + step, n_rows))
        values = sums[rows].double() * scales[0][rows, None] * scales[1]
        yield rows, values.clamp_(-1.0, 1.0).cpu().numpy()


def _best(sizes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the columns of the largest sizes of each row, and those sizes; the first of equal columns."""
    rows = np.arange(len(sizes))
    columns = np.empty((len(sizes), min(count, sizes.shape[1])), dtype=np.int64)
    best = np.empty(columns.shape)
    for place in range(columns.shape[1]):
        columns[:, place] = sizes.argmax(axis=1)
        best[:, place] = sizes[rows, columns[:, place]]
        sizes[rows, columns[:, place]] = -np.inf
    return columns, best
