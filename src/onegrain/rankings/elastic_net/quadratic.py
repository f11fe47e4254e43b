"""Solve the quadratic problem inside a Newton step, with the penalty's kinks, on a small dense Hessian.

minimise over x:   g'(x - w) + (x - w)'H(x - w) / 2 + sum_j l1_j |x_j| + sum_j l2_j x_j^2
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["FISTA_STEPS", "Quadratic", "factor", "one_sided"]

FISTA_STEPS = 300
CHECKED = 5
"""Steps between two checks of convergence."""
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

    def fista(self, steps: int, tolerance: float = 1e-6) -> Tensor:
        """Return x after accelerated proximal gradient steps with restarts.

        [Beck and Teboulle 2009; the restarts of O'Donoghue and Candès 2015.] The step size comes from an
        estimate of the largest eigenvalue. If that was too low, so that the objective rose, an upper bound
        replaces it.
        """
        estimate, bound = self._largest_eigenvalue()
        solution = self._fista(1.0 / estimate, steps, tolerance)
        if self.value(solution) <= self.value(self.origin):
            return solution
        return self._fista(1.0 / bound, steps, tolerance)

    def _fista(self, rate: float, steps: int, tolerance: float) -> Tensor:
        x = y = self.origin
        pace = 1.0
        threshold, shrink = rate * self.l1, 1.0 / (1.0 + 2.0 * rate * self.l2)
        for step in range(1, steps + 1):
            moved = torch.sub(y, torch.addmv(self.gradient, self.hessian, y - self.origin), alpha=rate)
            moved = (moved - moved.clamp(-threshold, threshold)) * shrink
            change = moved - x
            if float((y - moved) @ change) > 0.0:
                pace, y = 1.0, moved
            else:
                following = (1.0 + (1.0 + 4.0 * pace * pace) ** 0.5) / 2.0
                y = torch.add(moved, change, alpha=(pace - 1.0) / following)
                pace = following
            x = moved
            if step % CHECKED == 0:
                size = max(float(x.abs().max()), 1e-12)
                if float(change.abs().max()) <= tolerance * size:
                    break
        return x

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

    def _largest_eigenvalue(self) -> tuple[float, float]:
        """Return an estimate of the largest eigenvalue of H, and an upper bound of it.

        The estimate is that of power iteration and a tenth more, because power iteration approaches from below.
        """
        bound = max(min(float(self.hessian.abs().sum(1).max()), float(self.hessian.norm())), 1e-300)
        vector = torch.randn(len(self.gradient), generator=torch.Generator().manual_seed(0))
        vector = vector.to(self.gradient) / vector.norm()
        eigenvalue = 0.0
        for _ in range(30):
            image = self.hessian @ vector
            eigenvalue = float(image.norm())
            if eigenvalue == 0.0:
                return bound, bound
            vector = image / eigenvalue
        return min(1.1 * eigenvalue, bound), bound


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
