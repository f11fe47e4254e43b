"""Compute a Newton direction for many weights by conjugate gradients on the Hessian of all labels.

    H d = (1/N) sum_i omega_i x_i (P_i * d'x_i - P_i (P_i . d'x_i))' + 2 lambda2 d

takes two products with the words' activations, and no matrix with a row and a column for every weight. Words
without curvature (curvature.py) add nothing to it, and are left out.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.duality import Points
from onegrain.rankings.elastic_net.problem import Words

__all__ = ["newton_direction"]

STEPS = 80
PRODUCT = 4096


def newton_direction(
    words: Words, points: Points, slope: Tensor, free: Tensor, l2: Tensor, left_out: float
) -> tuple[Tensor, Tensor]:
    """Return d (neurons, labels) and e (labels,) with H (d, e) = -(slope, points.slope) on the free weights.

    The residual is at most a tenth of the slope, and a smaller share where the slope is small. The system is
    preconditioned by its diagonal. d is zero where a weight is not free. The Hessian is computed without words
    that have at most the share ``left_out`` of a label's curvature.
    """
    used = free.any(1)
    direction = torch.zeros_like(slope)
    product = _Hessian(
        words, points.probabilities, used.nonzero().ravel(), (free[used].to(words.dtype), l2[used]), left_out
    )
    right = torch.cat([-slope[used] * product.mask, -points.slope.to(words.dtype)])
    solution = _solve(product, right)
    direction[used] = solution[:-1]
    return direction, solution[-1]


class _Hessian:
    """The Hessian as a product with weights and, as the last row, biases."""

    def __init__(
        self, words: Words, table: Table, neurons: Tensor, weights: tuple[Tensor, Tensor], left_out: float
    ) -> None:
        self.mask, self.l2 = weights
        chances = table[: words.n_words]
        variance = words.weigh(chances * (1.0 - chances), slice(0, words.n_words))
        curvature = variance.mean(0, dtype=torch.float64).to(words.dtype).clamp(min=1e-8)
        self.inverse = torch.cat([self.mask / (curvature + 2.0 * self.l2), 1.0 / curvature[None]])
        kept = curved_words(words, chances, left_out).any(1)
        self.chances = chances[kept]
        omega = words.weigh(chances.new_ones(words.n_words), slice(0, words.n_words))
        self.factor = omega[kept, None] / words.n_words
        self.values = words.memory.table(len(self.chances), len(neurons), words.dtype)
        first = 0
        for rows in words.rows():
            block = words.block(rows)[kept[rows]][:, neurons]
            self.values[first : first + len(block)] = block
            first += len(block)

    def __matmul__(self, table: Tensor) -> Tensor:
        d, e = table[:-1], table[-1]
        image = torch.zeros_like(table)
        for first in range(0, len(self.chances), PRODUCT):
            rows = slice(first, min(first + PRODUCT, len(self.chances)))
            values, chances = self.values[rows], self.chances[rows]
            change = (values @ d).add_(e).mul_(chances)
            change = (change - chances * change.sum(1, keepdim=True)) * self.factor[rows]
            image[:-1] += values.T @ change
            image[-1] += change.sum(0)
        image[:-1] += 2.0 * self.l2 * d
        image[:-1] *= self.mask
        return image


def _solve(hessian: _Hessian, right: Tensor) -> Tensor:
    """Solve H x = right by preconditioned conjugate gradients [Hestenes and Stiefel 1952]."""
    size = float(right.norm())
    goal = min(0.1, size**0.5) * size
    solution, residual = torch.zeros_like(right), right.clone()
    preconditioned = residual * hessian.inverse
    ahead, along = preconditioned, float((residual * preconditioned).sum(dtype=torch.float64))
    for _ in range(STEPS):
        image = hessian @ ahead
        bend = float((ahead * image).sum(dtype=torch.float64))
        if not bend > 0.0:
            break
        solution += (along / bend) * ahead
        residual -= (along / bend) * image
        if float(residual.norm()) <= goal:
            break
        preconditioned = residual * hessian.inverse
        before, along = along, float((residual * preconditioned).sum(dtype=torch.float64))
        ahead = preconditioned + (along / before) * ahead
    return solution
