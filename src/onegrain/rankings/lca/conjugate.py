"""A Newton direction for many weights at once, by conjugate gradients on the Hessian of all labels.

    H d = (1/N) sum_i omega_i x_i (P_i * d'x_i - P_i (P_i . d'x_i))' + 2 lambda2 d

needs two products with the words' activations, and no matrix of the weights' size squared.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.lca.duality import Point
from onegrain.rankings.lca.problem import ProbeData

__all__ = ["newton_direction"]

STEPS = 80
NARROW = 0.7


def newton_direction(
    data: ProbeData, point: Point, slope: Tensor, free: Tensor, l2: Tensor
) -> tuple[Tensor, Tensor]:
    """d (neurons, labels) and e (labels,) with H (d, e) = -(slope, point.slope) on the free weights.

    Solved to a residual of at most a tenth, and less the smaller the slope is, preconditioned by the diagonal;
    zero where a weight is not free.
    """
    used = free.any(1)
    whole = torch.zeros_like(slope)
    if float(used.double().mean()) > NARROW:
        used = torch.ones_like(used)
    values = data.scaled if bool(used.all()) else data.scaled[:, used]
    product = _Hessian(data, point.probabilities, values, (free[used].to(data.dtype), l2[used]))
    right = torch.cat([-slope[used] * product.mask, -point.slope.to(data.dtype)[None]])
    found = _solve(product, right)
    whole[used] = found[:-1]
    return whole, found[-1]


class _Hessian:
    """The product with H, for weights and, as the last row, biases."""

    def __init__(
        self, data: ProbeData, chances: Tensor, values: Tensor, weights: tuple[Tensor, Tensor]
    ) -> None:
        self.data, self.chances, self.values = data, chances, values
        self.mask, self.l2 = weights
        variance = chances * (1.0 - chances)
        if data.omega is not None:
            variance *= data.omega[:, None]
        curvature = variance.mean(0).clamp(min=1e-8)
        self.inverse = torch.cat([self.mask / (curvature + 2.0 * self.l2), 1.0 / curvature[None]])

    def __matmul__(self, table: Tensor) -> Tensor:
        d, e = table[:-1], table[-1]
        turned = (self.values @ d).add_(e)
        turned *= self.chances
        turned -= self.chances * turned.sum(1, keepdim=True)
        if self.data.omega is not None:
            turned *= self.data.omega[:, None]
        image = (self.values.T @ turned) / self.data.n_words + 2.0 * self.l2 * d
        return torch.cat([image * self.mask, turned.sum(0, keepdim=True) / self.data.n_words])


def _solve(hessian: _Hessian, right: Tensor) -> Tensor:
    """Preconditioned conjugate gradients [Hestenes and Stiefel 1952]."""
    size = float(right.norm())
    goal = min(0.1, size**0.5) * size
    found, residual = torch.zeros_like(right), right.clone()
    turned = residual * hessian.inverse
    ahead, along = turned, float((residual * turned).sum(dtype=torch.float64))
    for _ in range(STEPS):
        image = hessian @ ahead
        bend = float((ahead * image).sum(dtype=torch.float64))
        if not bend > 0.0:
            break
        found += (along / bend) * ahead
        residual -= (along / bend) * image
        if float(residual.norm()) <= goal:
            break
        turned = residual * hessian.inverse
        before, along = along, float((residual * turned).sum(dtype=torch.float64))
        ahead = turned + (along / before) * ahead
    return found
