"""Compute a Newton direction for many weights by conjugate gradients on the Hessian of all labels.

    H d = (1/N) sum_i omega_i x_i (P_i * d'x_i - P_i (P_i . d'x_i))' + 2 lambda2 d

takes two products with the words' activations, and no matrix with a row and a column for every weight. Words
without curvature (curvature.py) add nothing to it, and are left out. While the gap is large, and with lambda2,
the products are bfloat16 where the processor has it.

The system is preconditioned by the Hessian of each label's weights where label steps have computed them, which
saves two thirds of the products, and by the diagonal for the other weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.newton import NewtonState
from onegrain.rankings.elastic_net.quadratic import factor

__all__ = ["newton_direction"]

STEPS = 80
RESIDUAL = 0.1
PRODUCT = 4096
EXACT = 1e-3
"""Gap from which on products are as exact as the words."""


def newton_direction(state: NewtonState, slope: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """Return d (neurons, labels) and e (labels,) with H (d, e) = -(slope, slope of the biases).

    d is zero where a weight is not free. The residual is at most a tenth of the slope, and a smaller share
    where the slope is small.

    Args:
        state: the present probe.
        slope: (neurons, labels), derivatives of J on one side of zero.
        free: bool (neurons, labels), the weights that move.
    """
    used = free.any(1)
    direction = torch.zeros_like(slope)
    product = _Hessian(state, used.nonzero().ravel(), free)
    right = torch.cat([-slope[used] * product.mask, -state.points.slope.to(slope.dtype)])
    solution = _solve(product, right)
    direction[used] = solution[:-1]
    return direction, solution[-1]


class _Hessian:
    """The Hessian as a product with weights and, as the last row, biases.

    Args:
        state: the present probe.
        neurons: int64 (used,), the neurons with a free weight, ascending.
        free: bool (neurons, labels), the free weights of all neurons.
    """

    def __init__(self, state: NewtonState, neurons: Tensor, free: Tensor) -> None:
        words = state.words
        self.mask, self.l2 = free[neurons].to(words.dtype), state.l2[neurons]
        chances = state.points.probabilities[: words.n_words]
        variance = words.weigh(chances * (1.0 - chances), slice(0, words.n_words))
        curvature = variance.mean(0, dtype=torch.float64).to(words.dtype).clamp(min=1e-8)
        self._inverse = torch.cat([self.mask / (curvature + 2.0 * self.l2), 1.0 / curvature[None]])
        self._factors = self._factored(state, neurons, free)
        kept = curved_words(words, chances, state.left_out).any(1)
        self.chances = chances[kept]
        omega = words.weigh(chances.new_ones(words.n_words), slice(0, words.n_words))
        self.factor = omega[kept, None] / words.n_words
        rough = state.pair[1] > 0.0 and state.is_rough(EXACT)
        self.kind = torch.bfloat16 if rough else words.dtype
        self.values: Table = words.memory.table(len(self.chances), len(neurons), self.kind)
        first = 0
        for rows in words.rows():
            block = words.block(rows)[kept[rows]].index_select(1, neurons)
            self.values[first : first + len(block)] = block.to(self.kind)
            first += len(block)

    def _factored(self, state: NewtonState, neurons: Tensor, free: Tensor) -> list[tuple[int, Tensor, Tensor]]:
        """Return each label with a Hessian, the rows of its free weights, and the Cholesky factor."""
        factors = []
        for block in state.blocks:
            kept = free[block.neurons, block.label].nonzero().ravel()
            if not len(kept):
                continue
            chosen = block.neurons[kept]
            matrix = block.hessian[kept][:, kept]
            matrix.diagonal().add_(2.0 * state.l2[chosen, 0])
            lower = factor(matrix)
            if lower is not None:
                factors.append((block.label, torch.searchsorted(neurons, chosen), lower))
        return factors

    def precondition(self, residual: Tensor) -> Tensor:
        """Divide by an approximation of the Hessian."""
        scaled = residual * self._inverse
        for label, rows, lower in self._factors:
            scaled[rows, label] = torch.cholesky_solve(residual[rows, label, None], lower).ravel()
        return scaled

    def __matmul__(self, table: Tensor) -> Tensor:
        d, e = table[:-1], table[-1]
        image, rounded = torch.zeros_like(table), d.to(self.kind)
        for first in range(0, len(self.chances), PRODUCT):
            rows = slice(first, min(first + PRODUCT, len(self.chances)))
            values, chances = self.values[rows], self.chances[rows]
            change = (values @ rounded).to(d.dtype).add_(e).mul_(chances)
            change = (change - chances * change.sum(1, keepdim=True)) * self.factor[rows]
            image[:-1] += values.T @ change.to(self.kind)
            image[-1] += change.sum(0)
        image[:-1] += 2.0 * self.l2 * d
        image[:-1] *= self.mask
        return image


def _solve(hessian: _Hessian, right: Tensor) -> Tensor:
    """Solve H x = right by preconditioned conjugate gradients [Hestenes and Stiefel 1952]."""
    size = float(right.norm())
    goal = min(RESIDUAL, size**0.5) * size
    solution, residual = torch.zeros_like(right), right.clone()
    preconditioned = hessian.precondition(residual)
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
        preconditioned = hessian.precondition(residual)
        before, along = along, float((residual * preconditioned).sum(dtype=torch.float64))
        ahead = preconditioned + (along / before) * ahead
    return solution
