"""Coordinate descent on a dense quadratic with an elastic-net penalty, compiled.

Each entry in turn is set to its minimum, the others being fixed, and the gradient follows by one row of the
matrix [Friedman, Hastie and Tibshirani 2010, with covariance updates]. An entry that stays zero costs nothing
but a look, so that sparse solutions cost far less than products with the matrix.
"""

from __future__ import annotations

import numpy as np

from onegrain.core.compiled import compiled

__all__ = ["descend"]

EVERY = 5
"""One sweep in this many visits all entries; the others visit those that are not zero."""


@compiled
def descend(
    hessian: np.ndarray,
    slope: np.ndarray,
    x: np.ndarray,
    l1: np.ndarray,
    l2: np.ndarray,
    sweeps: int,
    tolerance: float,
) -> int:
    """Minimise s'(x - x0) + (x - x0)'H(x - x0) / 2 + sum_j l1_j |x_j| + sum_j l2_j x_j^2, in place.

    Args:
        hessian: (n, n), H, symmetric. Entries whose diagonal is not positive keep their value.
        slope: (n,), s, the gradient of the quadratic at the first x; it becomes that at the last.
        x: (n,), x0; becomes the solution.
        l1: (n,), 0 or more.
        l2: (n,), 0 or more.
        sweeps: most sweeps.
        tolerance: the descent ends when no entry changes by more than this share of the largest one.

    Returns:
        The number of sweeps.
    """
    n = len(x)
    for sweep in range(sweeps):
        every_entry = sweep % EVERY == 0
        largest_change = 0.0
        largest = 0.0
        for j in range(n):
            before = x[j]
            if before == 0.0 and not every_entry:
                continue
            curvature = hessian[j, j] + 2.0 * l2[j]
            if not hessian[j, j] > 0.0:
                continue
            pull = hessian[j, j] * before - slope[j]
            after = before * 0.0
            if pull > l1[j]:
                after = (pull - l1[j]) / curvature
            elif pull < -l1[j]:
                after = (pull + l1[j]) / curvature
            change = after - before
            largest = max(largest, abs(after))
            if change != 0.0:
                largest_change = max(largest_change, abs(change))
                x[j] = after
                for k in range(n):
                    slope[k] += change * hessian[j, k]
        if every_entry and largest_change <= tolerance * largest:
            return sweep + 1
    return sweeps
