"""Solve the quadratic problem inside a Newton step, with the penalty's kinks, on a small dense Hessian.

minimise over x:   g'(x - w) + (x - w)'H(x - w) / 2 + sum_j l1_j |x_j| + sum_j l2_j x_j^2
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Quadratic", "factor", "one_sided"]

SWEEPS = 200
HALVINGS = 20
RIDGES = (1e-12, 1e-9, 1e-7, 1e-5, 1e-3)


def one_sided(slope: Tensor, x: Tensor, l1: Tensor) -> Tensor:
    """Return the subgradient nearest to zero at x, from the slope of the smooth part."""
    nearest_at_zero = slope.sign() * (slope.abs() - l1).clamp(min=0.0)
    return torch.where(x == 0.0, nearest_at_zero, slope + l1 * x.sign())


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The problem of this module; all tensors have one dtype.

    Attributes:
        hessian: (n, n), positive semidefinite.
        gradient: (n,), g.
        origin: (n,), w.
        l1: (n,), 0 or more.
        l2: (n,), 0 or more.
    """

    hessian: Tensor
    gradient: Tensor
    origin: Tensor
    l1: Tensor
    l2: Tensor

    def to(self, dtype: torch.dtype) -> Quadratic:
        """Return the problem in another precision."""
        return Quadratic(
            *(part.to(dtype) for part in (self.hessian, self.gradient, self.origin, self.l1, self.l2))
        )

    def slope(self, x: Tensor) -> Tensor:
        """Return the gradient of everything except the absolute values, (n,)."""
        return self.gradient + self.hessian @ (x - self.origin) + 2.0 * self.l2 * x

    def value(self, x: Tensor) -> float:
        """Return the objective."""
        moved = x - self.origin
        smooth = moved @ (self.gradient + 0.5 * (self.hessian @ moved))
        return float(smooth + self.l1 @ x.abs() + self.l2 @ x.square())

    def descend(self, sweeps: int = SWEEPS, tolerance: float = 1e-5) -> Tensor:
        """Return x after coordinate descent (coordinates.py), on the CPU; the origin if that is not worse."""
        from onegrain.rankings.elastic_net.coordinates import descend

        hessian, slope, x, l1, l2 = (
            part.cpu().contiguous().numpy()
            for part in (self.hessian, self.gradient.clone(), self.origin.clone(), self.l1, self.l2)
        )
        descend(hessian, slope, x, l1, l2, sweeps, tolerance)
        solution = torch.from_numpy(x).to(self.origin)
        return solution if self.value(solution) <= self.value(self.origin) else self.origin

    def newton(self, x: Tensor, steps: int, tolerance: float = 1e-12) -> Tensor:
        """Return x after orthant-wise Newton steps, exact once the signs are right [Andrew and Gao 2007]."""
        value = self.value(x)
        for _ in range(steps):
            steepest = one_sided(self.slope(x), x, self.l1)
            free = (x != 0.0) | (steepest != 0.0)
            if float(steepest.abs().max()) <= tolerance:
                break
            free_indices = free.nonzero().ravel()
            matrix = self.hessian[free_indices][:, free_indices] + torch.diag(2.0 * self.l2[free_indices])
            lower = factor(matrix)
            if lower is None:
                break
            direction = torch.zeros_like(x)
            direction[free_indices] = -torch.cholesky_solve(steepest[free_indices][:, None], lower).ravel()
            moved, reached = self._search(x, direction, steepest, value)
            if reached >= value:
                break
            x, value = moved, reached
        return x

    def _search(self, x: Tensor, direction: Tensor, steepest: Tensor, value: float) -> tuple[Tensor, float]:
        """Return the first of x + d, x + d/2, ... that lowers the value; weights stay in their orthant."""
        side = torch.where(x == 0.0, -steepest.sign(), x.sign())
        step = 1.0
        for _ in range(HALVINGS):
            moved = x + step * direction
            moved = torch.where((moved.sign() == side) | (self.l1 == 0.0), moved, torch.zeros_like(moved))
            reached = self.value(moved)
            if reached < value:
                return moved, reached
            step /= 2.0
        return x, value


def factor(matrix: Tensor) -> Tensor | None:
    """Return the Cholesky factor, with the smallest ridge that makes one possible; overwrites the diagonal."""
    diagonal = matrix.diagonal().clone()
    size = float(diagonal.mean().clamp(min=1e-30))
    for ridge in RIDGES:
        matrix.diagonal().copy_(diagonal + ridge * size)
        lower, failed = torch.linalg.cholesky_ex(matrix)
        if not int(failed):
            return lower
    return None
