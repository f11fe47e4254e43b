"""Compute Newton directions of many problems of the same words together, by conjugate gradients.

Two products of the words with the weights of all problems serve every problem in a step. The Hessian is that of
all labels, on the weights that may move.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from onegrain.rankings.elastic_net.duality import Points
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.stochastic import ShuffledWords

__all__ = ["newton_directions"]

STEPS = 16
RESIDUAL = 0.1
PRODUCT = 2048


def newton_directions(
    words: ShuffledWords, penalties: Penalties, weights: Tensor, points: Points, part: slice
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return d (neurons, G, labels) and e (G, labels) with H (d, e) = -(slope, slope of the biases), roughly.

    The third value, float64 (G,), is by how much the quadratic model of J falls along them.

    By conjugate gradients [Hestenes and Stiefel 1952], preconditioned by the diagonal, on the weights that are
    not zero; those of a problem without lambda1 are all free.
    """
    unit = words.unit.to(words.dtype)[:, None, None]
    l1 = words.tensor(penalties.l1, words.dtype)[None, :, None] * unit
    l2 = words.tensor(penalties.l2, words.dtype)[None, :, None] * unit.square()
    free = torch.where(l1 > 0.0, weights != 0.0, unit > 0.0)
    free = free if words.kept is None else free & words.kept[:, :, None]
    slope = points.gradient.to(words.dtype) + 2.0 * l2 * weights + l1 * weights.sign()
    hessian = _Hessian(words, points, free, l2, part)
    downhill = residual = -(slope * free), -points.slope.to(words.dtype)
    direction, turn = (torch.zeros_like(part) for part in residual)
    first = _dot(residual, residual)
    preconditioned = hessian.precondition(residual)
    ahead, along = preconditioned, _dot(residual, preconditioned)
    for _ in range(STEPS):
        image = hessian @ ahead
        bend = _dot(ahead, image)
        rate = torch.where(bend > 0.0, along / bend, 0.0).to(words.dtype)[:, None]
        direction += rate * ahead[0]
        turn += rate * ahead[1]
        residual = residual[0] - rate * image[0], residual[1] - rate * image[1]
        still_open = (_dot(residual, residual) > RESIDUAL**2 * first) & (bend > 0.0)
        if not bool(still_open.any()):
            break
        preconditioned = hessian.precondition(residual)
        before, along = along, _dot(residual, preconditioned)
        follow = torch.where(before > 0.0, along / before, 0.0).to(words.dtype)[:, None]
        ahead = preconditioned[0] + follow * ahead[0], preconditioned[1] + follow * ahead[1]
    # with d from conjugate gradients, d'Hd equals -slope'd, and the model falls by half of it
    promised = (_dot(downhill, (direction, turn)) / 2.0).clamp(min=0.0).cpu().numpy()
    return direction, turn, promised


def _dot(left: tuple[Tensor, Tensor], right: tuple[Tensor, Tensor]) -> Tensor:
    """Return float64 (G,), the products of weights (neurons, G, labels) and biases (G, labels)."""
    weights = (left[0] * right[0]).sum((0, 2), dtype=torch.float64)
    return weights + (left[1] * right[1]).sum(1, dtype=torch.float64)


class _Hessian:
    """The product with the Hessians of G problems, each on its free weights (neurons, G, labels).

    The mean over the words is taken over those of ``part``.
    """

    def __init__(self, words: ShuffledWords, points: Points, free: Tensor, l2: Tensor, part: slice) -> None:
        self.words, self.points, self.l2, self.part = words, points, l2, part
        self.n_words = part.stop - part.start
        self.shape = free.shape
        self.free = free.to(words.dtype)
        total = words.zeros(*self.shape[1:], dtype=words.dtype)
        for rows in self._rows():
            chances = self._chances(rows)
            total += words.weigh(chances * (1.0 - chances), rows).sum(0)
        curvature = (total / self.n_words).clamp(min=1e-8)
        self._inverse = self.free / (curvature + 2.0 * l2), 1.0 / curvature

    def precondition(self, residual: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Divide by the diagonal."""
        return residual[0] * self._inverse[0], residual[1] * self._inverse[1]

    def __matmul__(self, direction: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        weights, biases = direction
        words, flat = self.words, weights.flatten(1).to(self.words.kind)
        image, turn = torch.zeros_like(weights), torch.zeros_like(biases)
        for rows in self._rows():
            block, chances = words.block(rows), self._chances(rows)
            change = (block @ flat).to(words.dtype).view_as(chances).add_(biases).mul_(chances)
            change.addcmul_(chances, change.sum(2, keepdim=True), value=-1.0)
            change = words.weigh(change, rows)
            image += (block.T @ change.flatten(1).to(block.dtype)).view(self.shape)
            turn += change.sum(0)
        image /= self.n_words
        image.addcmul_(self.l2, weights, value=2.0)
        return image.mul_(self.free), turn / self.n_words

    def _rows(self) -> list[slice]:
        start, stop = self.part.start, self.part.stop
        return [slice(first, min(first + PRODUCT, stop)) for first in range(start, stop, PRODUCT)]

    def _chances(self, rows: slice) -> Tensor:
        return self.points.probabilities[rows].view(-1, *self.shape[1:])
