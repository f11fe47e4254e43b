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
SCREENED = 384
"""Problems of at least as many entries are solved on those that may differ from zero."""
FIRST, LATER = 30, 90
"""Steps on all entries before such a choice, and those between two choices."""
NEAR = 0.9
"""An entry at zero may change if its slope is above this share of its penalty."""
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

    def fista(
        self, steps: int, tolerance: float = 1e-6, eigenvalue: tuple[float, float] | None = None
    ) -> Tensor:
        """Return x after accelerated proximal gradient steps with restarts.

        [Beck and Teboulle 2009; the restarts of O'Donoghue and Candès 2015.] The step size comes from an
        estimate of the largest eigenvalue. If that was too low, so that the objective rose, an upper bound
        replaces it.

        Args:
            steps: most steps.
            tolerance: largest change of an entry that ends them, relative to the largest entry.
            eigenvalue: what :meth:`largest_eigenvalue` returns, if it is known.
        """
        estimate, bound = self.largest_eigenvalue() if eigenvalue is None else eigenvalue
        solution = self._fista(1.0 / estimate, steps, tolerance)
        if self.value(solution) <= self.value(self.origin):
            return solution
        return self._fista(1.0 / bound, steps, tolerance)

    def _fista(self, rate: float, steps: int, tolerance: float) -> Tensor:
        """Take steps of one size; those of a large problem leave out entries that are likely to stay zero."""
        path = _Path(self.origin, self.origin, 1.0)
        if len(self.origin) < SCREENED:
            return self._descend(path, rate, steps, tolerance)[0].x
        taken = 0
        while taken < steps:
            count = min(FIRST if taken == 0 else LATER, steps - taken)
            free = self._free(path.x) if taken else torch.ones_like(path.x, dtype=torch.bool)
            part = self._restricted(path.x, free) if taken else self
            here = _Path(path.x[free], path.y[free], path.pace)
            here, converged = part._descend(here, rate, count, tolerance)
            x, y = torch.zeros_like(path.x), torch.zeros_like(path.x)
            x[free], y[free] = here.x, here.y
            path = _Path(x, y, here.pace)
            taken += count
            if converged and not bool((self._free(x) & ~free).any()):
                break
        return path.x

    def _free(self, x: Tensor) -> Tensor:
        """Return which entries are not zero or may cease to be, bool (n,)."""
        return (x != 0.0) | (self.slope(x).abs() > NEAR * self.l1)

    def _restricted(self, x: Tensor, free: Tensor) -> Quadratic:
        """Return the problem of the free entries, bool (n,), with the others zero; its origin is x."""
        kept = free.nonzero().ravel()
        gradient = torch.addmv(self.gradient, self.hessian, x - self.origin)
        hessian = self.hessian.index_select(0, kept).index_select(1, kept)
        return Quadratic(hessian, gradient[kept], x[kept], self.l1[kept], self.l2[kept])

    def _descend(self, path: _Path, rate: float, steps: int, tolerance: float) -> tuple[_Path, bool]:
        """Take accelerated steps; return where they end, and True if the last ones moved little."""
        x, y, pace = path.x.clone(), path.y.clone(), path.pace
        moved, change, offset = (torch.empty_like(x) for _ in range(3))
        pull, threshold, shrink = rate * self.gradient, rate * self.l1, 1.0 / (1.0 + 2.0 * rate * self.l2)
        least = -threshold
        for step in range(1, steps + 1):
            torch.sub(y, self.origin, out=offset)
            torch.addmv(torch.sub(y, pull, out=moved), self.hessian, offset, alpha=-rate, out=moved)
            moved.sub_(torch.clamp(moved, least, threshold, out=change)).mul_(shrink)
            torch.sub(moved, x, out=change)
            if float(y.sub_(moved) @ change) > 0.0:
                pace = 1.0
                y.copy_(moved)
            else:
                following = (1.0 + (1.0 + 4.0 * pace * pace) ** 0.5) / 2.0
                torch.add(moved, change, alpha=(pace - 1.0) / following, out=y)
                pace = following
            x, moved = moved, x
            if step % CHECKED == 0:
                size = max(float(x.abs().max()), 1e-12)
                if float(change.abs().max()) <= tolerance * size:
                    return _Path(x, y, pace), True
        return _Path(x, y, pace), False

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

    def largest_eigenvalue(self) -> tuple[float, float]:
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


@dataclass(frozen=True, eq=False)
class _Path:
    """A point of accelerated steps.

    Attributes:
        x: (n,), the solution so far.
        y: (n,), where the next step starts.
        pace: the number from which the momentum of the next step follows.
    """

    x: Tensor
    y: Tensor
    pace: float


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
