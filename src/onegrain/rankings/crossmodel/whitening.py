"""Directions in which neurons vary, scaled so that what they give has unit size and is uncorrelated.

All from a matrix S (neurons, neurons) of sums of products of deviations. A matrix W (neurons, directions)
whitens if W' S W = I: least squares on the neurons, and canonical correlations, need nothing else of S.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

__all__ = ["CUTOFF", "canonical", "principal", "whitened", "without"]

CUTOFF = 1e-10
"""A direction counts as none if its variance is below this share of the largest one's (1e-5 of its deviation).

Sums of products in float64 keep variances to some 1e-15 of the largest, so what is kept is right to 1e-5."""


def without(
    products: Float64[Tensor, "neurons others"], rows: np.ndarray, columns: np.ndarray
) -> Float64[Tensor, "neurons others"]:
    """Set the products of constant neurons, bool (neurons,) and (others,), to 0, in place, and return them.

    What is left of a constant neuron is rounding, which may be large where its value is.
    """
    products[torch.from_numpy(rows).to(products.device)] = 0.0
    products[:, torch.from_numpy(columns).to(products.device)] = 0.0
    return products


def whitened(
    products: Float64[Tensor, "neurons neurons"], constant: np.ndarray
) -> Float64[Tensor, "neurons rank"]:
    """W over all directions that are numerically there: those of the correlation matrix above ``CUTOFF``.

    W W' is the pseudo-inverse of S in units in which every neuron has unit size, so neurons may be of any
    scale beside each other.

    Args:
        products: S.
        constant: bool (neurons,), neurons that do not change by more than rounding; they are left out.
    """
    still = torch.from_numpy(constant).to(products.device)
    inverse = torch.where(still, 0.0, products.diagonal().rsqrt())
    values, vectors = torch.linalg.eigh(products * inverse[:, None] * inverse)
    kept = values > CUTOFF * values[-1]
    return inverse[:, None] * vectors[:, kept] * values[kept].rsqrt()


def principal(products: Float64[Tensor, "neurons neurons"], variance: float) -> Float64[Tensor, "neurons kept"]:
    """W over the fewest principal directions that hold a share of the variance [Raghu17].

    They are the singular directions of the centred activations, in the neurons' own units; those below
    ``CUTOFF`` are left out whatever the share.

    Args:
        products: S; its rows and columns of neurons that never change are 0, exactly.
        variance: the share, above 0 and at most 1.
    """
    values, vectors = torch.linalg.eigh(products)
    values, vectors = values.flip(0), vectors.flip(1)
    there = values > CUTOFF * values[0]
    held = values.clamp_min(0.0).cumsum(0) - values  # before each direction
    kept = there & (held < variance * values.clamp_min(0.0).sum())
    return vectors[:, kept] * values[kept].rsqrt()


def canonical(
    left: Float64[Tensor, "neurons directions"],
    products: Float64[Tensor, "neurons others"],
    right: Float64[Tensor, "others theirs"],
) -> tuple[Float64[Tensor, "directions pairs"], Float64[Tensor, " pairs"]]:
    """The rotation of the left that gives its canonical variates, and the correlations, descending.

    The i-th canonical variate of the left is X W u_i with u_i the i-th column of the rotation. There are as
    many pairs as the smaller side has directions.

    Args:
        left: W of the left.
        products: sums of products of deviations between the sides.
        right: W of the right.
    """
    rotation, correlations, _ = torch.linalg.svd(left.T @ products @ right, full_matrices=False)
    return rotation, correlations.clamp_max(1.0)
