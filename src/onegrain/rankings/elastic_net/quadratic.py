"""The quadratic problem inside a Newton step, with the penalty's kinks, solved on a small dense Hessian.

minimise over x:   g'(x - w) + (x - w)'H(x - w) / 2 + sum_j l1_j |x_j| + sum_j l2_j x_j^2
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Quadratic", "one_sided"]

HALVINGS = 20
RIDGES = (1e-12, 1e-9, 1e-7, 1e-5, 1e-3)


def one_sided(slope: Tensor, at: Tensor, l1: Tensor) -> Tensor:
    """The subgradient nearest to zero, given the slope of the smooth part."""
    at_zero = slope.sign() * (slope.abs() - l1).clamp(min=0.0)
    return torch.where(at == 0.0, at_zero, slope + l1 * at.sign())


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The problem above; all of one dtype.

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

    def slope(self, x: Tensor) -> Tensor:
        """(n,): of everything but the absolute values."""
        return self.gradient + self.hessian @ (x - self.origin) + 2.0 * self.l2 * x

    def value(self, x: Tensor) -> float:
        """The objective."""
        moved = x - self.origin
        smooth = moved @ (self.gradient + 0.5 * (self.hessian @ moved))
        return float(smooth + self.l1 @ x.abs() + self.l2 @ x.square())

    def fista(self, steps: int, tolerance: float = 1e-6) -> Tensor:
        """x after accelerated proximal gradient steps with restarts.

        [Beck and Teboulle 2009; the restarts of O'Donoghue and Candès 2015.] The rate is that of an estimate of
        the largest eigenvalue; where that was too low, so that the objective rose, that of a true bound.
        """
        estimate, bound = self._largest()
        found = self._fista(1.0 / estimate, steps, tolerance)
        if self.value(found) <= self.value(self.origin):
            return found
        return self._fista(1.0 / bound, steps, tolerance)

    def _fista(self, rate: float, steps: int, tolerance: float) -> Tensor:
        x = y = self.origin
        pace = 1.0
        for _ in range(steps):
            moved = y - rate * (self.gradient + self.hessian @ (y - self.origin))
            moved = moved.sign() * (moved.abs() - rate * self.l1).clamp(min=0.0) / (1.0 + 2.0 * rate * self.l2)
            change = moved - x
            if float((y - moved) @ change) > 0.0:
                pace, y = 1.0, moved
            else:
                following = (1.0 + (1.0 + 4.0 * pace * pace) ** 0.5) / 2.0
                y = moved + (pace - 1.0) / following * change
                pace = following
            x = moved
            if float(change.abs().max()) <= tolerance * float(x.abs().max().clamp(min=1e-12)):
                break
        return x

    def newton(self, x: Tensor, steps: int, tolerance: float = 1e-12) -> Tensor:
        """x after orthant-wise Newton steps, exact once the zeros and signs are right [Andrew and Gao 2007]."""
        value = self.value(x)
        for _ in range(steps):
            steepest = one_sided(self.slope(x), x, self.l1)
            free = (x != 0.0) | (steepest != 0.0)
            if float(steepest.abs().max()) <= tolerance:
                break
            at = free.nonzero().ravel()
            matrix = self.hessian[at][:, at] + torch.diag(2.0 * self.l2[at])
            factor = _factor(matrix)
            if factor is None:
                break
            direction = torch.zeros_like(x)
            direction[at] = -torch.cholesky_solve(steepest[at][:, None], factor).ravel()
            moved, reached = self._search(x, direction, steepest, value)
            if reached >= value:
                break
            x, value = moved, reached
        return x

    def _search(self, x: Tensor, direction: Tensor, steepest: Tensor, value: float) -> tuple[Tensor, float]:
        """The first of the steps 1, 1/2, ... that lowers the value, with weights held inside their orthant."""
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

    def _largest(self) -> tuple[float, float]:
        """The largest eigenvalue of H: by power iteration and a little more, and an upper bound."""
        bound = max(min(float(self.hessian.abs().sum(1).max()), float(self.hessian.norm())), 1e-300)
        vector = torch.randn(len(self.gradient), generator=torch.Generator().manual_seed(0))
        vector = vector.to(self.gradient) / vector.norm()
        found = 0.0
        for _ in range(30):
            image = self.hessian @ vector
            found = float(image.norm())
            if found == 0.0:
                return bound, bound
            vector = image / found
        return min(1.1 * found, bound), bound


def _factor(matrix: Tensor) -> Tensor | None:
    """The Cholesky factor, with the smallest ridge that rounding leaves it with; overwrites the diagonal."""
    diagonal = matrix.diagonal().clone()
    size = float(diagonal.mean().clamp(min=1e-30))
    for ridge in RIDGES:
        matrix.diagonal().copy_(diagonal + ridge * size)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if not int(failed):
            return factor
    return None
