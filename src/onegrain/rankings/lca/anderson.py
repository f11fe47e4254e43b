"""Anderson's extrapolation of a fixed-point iteration, for a batch of problems."""

from __future__ import annotations

import numpy as np

__all__ = ["History"]

DEPTH = 10
RIDGE = 1e-10
LARGEST = 1e4

Pair = tuple[np.ndarray, np.ndarray]


class History:
    """The last proximal steps T(x) and residuals T(x) - x of G problems.

    The next point is sum a_i T(x_i), with the weights a_i, summing to one, for which the residuals' combination
    is shortest [Anderson 1965; Walker and Ni 2011, *Anderson acceleration for fixed-point iterations*]. For a
    quadratic problem that is GMRES.

    Args:
        problems: G.
    """

    def __init__(self, problems: int) -> None:
        self._steps: list[Pair] = []
        self._residuals: list[Pair] = []
        self._depth = np.zeros(problems, dtype=np.int64)

    def keep(self, mask: np.ndarray) -> None:
        """Drop the problems outside the mask."""
        self._steps = [(weights[:, mask], biases[mask]) for weights, biases in self._steps]
        self._residuals = [(weights[:, mask], biases[mask]) for weights, biases in self._residuals]
        self._depth = self._depth[mask]

    def forget(self, mask: np.ndarray) -> None:
        """Forget everything about the problems inside the mask."""
        self._depth[mask] = 0

    def add(self, step: Pair, residual: Pair) -> None:
        """Append T(x) and its residual (in any metric), each (neurons, G, labels) and (G, labels)."""
        self._steps = [*self._steps, step][-DEPTH:]
        self._residuals = [*self._residuals, residual][-DEPTH:]
        self._depth = np.minimum(self._depth + 1, DEPTH)

    def extrapolate(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights and biases of the next point, and bool (G,): whether it is more than the last T(x)."""
        weights, biases = (part.copy() for part in self._steps[-1])
        moved = np.zeros(len(self._depth), dtype=bool)
        for at, depth in enumerate(self._depth.tolist()):
            mixture = self._mixture(at, depth) if depth > 1 else None
            if mixture is None:
                continue
            recent = self._steps[-depth:]
            weights[:, at] = sum(
                share * one[:, at] for share, (one, _) in zip(mixture.tolist(), recent, strict=True)
            )
            biases[at] = sum(share * one[at] for share, (_, one) in zip(mixture.tolist(), recent, strict=True))
            moved[at] = True
        return weights, biases, moved

    def _mixture(self, at: int, depth: int) -> np.ndarray | None:
        """The weights a_i of one problem, or None where they are unreliable."""
        recent = self._residuals[-depth:]
        table = np.stack([np.concatenate([one[:, at].ravel(), bias[at]]) for one, bias in recent])
        products = table.astype(np.float64) @ table.T.astype(np.float64)
        products += RIDGE * max(np.trace(products), np.finfo(np.float64).tiny) / depth * np.eye(depth)
        try:
            mixture = np.linalg.solve(products, np.ones(depth))
        except np.linalg.LinAlgError:
            return None
        mixture /= mixture.sum()
        reliable = np.isfinite(mixture).all() and np.abs(mixture).sum() <= LARGEST
        return mixture if reliable else None
