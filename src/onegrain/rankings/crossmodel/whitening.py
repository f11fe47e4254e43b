"""Whitening: directions in which neurons vary, scaled so that projections are uncorrelated and of unit size.

Every function works on a matrix S (neurons, neurons) of sums of products of deviations. A matrix W (neurons,
directions) whitens if W' S W = I; least squares on the neurons and canonical correlations need only W.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from onegrain.rankings.crossmodel.sums.moments import NeuronMoments

__all__ = ["CUTOFF", "canonical", "explained", "principal", "whitened", "without"]

CUTOFF = 1e-10
"""Directions whose variance is below this share of the largest variance (1e-5 of its deviation) are dropped.

Sums of products in float64 keep variances to about 1e-15 of the largest, so those kept are accurate to 1e-5."""

ROWS = 1024
"""Number of neurons predicted at once."""


def without(
    products: Float64[Tensor, "neurons others"], rows: np.ndarray, columns: np.ndarray
) -> Float64[Tensor, "neurons others"]:
    """Set the products of constant neurons to 0, in place, and return the products.

    The deviations of a constant neuron are rounding, which may be large if its value is.

    Args:
        products: sums of products of deviations.
        rows: bool (neurons,), the constant neurons of the rows.
        columns: bool (others,), the constant neurons of the columns.
    """
    products[torch.from_numpy(rows).to(products.device)] = 0.0
    products[:, torch.from_numpy(columns).to(products.device)] = 0.0
    return products


def whitened(
    products: Float64[Tensor, "neurons neurons"], constant: np.ndarray
) -> Float64[Tensor, "neurons rank"]:
    """Return W over all directions of the correlation matrix whose variance is above ``CUTOFF``.

    W W' is the pseudo-inverse of S in units in which every neuron has unit size, so the neurons may have very
    different scales.

    Args:
        products: S.
        constant: bool (neurons,), neurons that do not change by more than rounding; they are left out.
    """
    is_constant = torch.from_numpy(constant).to(products.device)
    inverse = torch.where(is_constant, 0.0, products.diagonal().rsqrt())
    values, vectors = torch.linalg.eigh(products * inverse[:, None] * inverse)
    kept = values > CUTOFF * values[-1]
    return inverse[:, None] * vectors[:, kept] * values[kept].rsqrt()


def principal(products: Float64[Tensor, "neurons neurons"], variance: float) -> Float64[Tensor, "neurons kept"]:
    """Return W over the fewest principal directions that hold a share of the variance [Raghu17].

    They are the singular directions of the centred activations, in the units of the neurons; directions below
    ``CUTOFF`` are always left out.

    Args:
        products: S; rows and columns of constant neurons must be exactly 0.
        variance: the share, above 0 and at most 1.
    """
    values, vectors = torch.linalg.eigh(products)
    values, vectors = values.flip(0), vectors.flip(1)
    above_cutoff = values > CUTOFF * values[0]
    held = values.clamp_min(0.0).cumsum(0) - values  # before each direction
    kept = above_cutoff & (held < variance * values.clamp_min(0.0).sum())
    return vectors[:, kept] * values[kept].rsqrt()


def canonical(
    left: Float64[Tensor, "neurons directions"],
    products: Float64[Tensor, "neurons others"],
    right: Float64[Tensor, "others theirs"],
) -> tuple[Float64[Tensor, "directions pairs"], Float64[Tensor, " pairs"]]:
    """Return the rotation of the left side to its canonical variates, and the correlations, descending.

    The i-th canonical variate of the left side is X W u_i, with u_i the i-th column of the rotation. The number
    of pairs is the number of directions of the smaller side.

    Args:
        left: W of the left side.
        products: sums of products of deviations between the sides.
        right: W of the right side.
    """
    rotation, correlations, _ = torch.linalg.svd(left.T @ products @ right, full_matrices=False)
    return rotation, correlations.clamp_max(1.0)


def explained(predicted: NeuronMoments, sums: Tensor, whitening: Tensor) -> Float64[np.ndarray, " neurons"]:
    """Return the R^2 of some neurons from the whitening matrix of their predictors; NaN for a constant neuron.

    Values are clipped to 1.
    """
    parts = [(rows @ whitening).square().sum(dim=1) for rows in sums.split(ROWS)]
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = torch.cat(parts).cpu().numpy() / predicted.squares
    return np.where(predicted.constant, np.nan, np.minimum(shares, 1.0))
