"""The metric in which the probe's problem is well conditioned, and the proximal step in it.

The Hessian of label l's block is (1/N) X' diag(P_l (1 - P_l)) X, and is bounded by 1/4 of the Gram matrix
C = X'X/N [Böhning 1992, *Multinomial logistic regression algorithm*]. With C = V diag(e) V' we step in

    M_l = c_l V diag(s_l) V',     s_l = ybar_l (e + mean e) + (1/4) diag(V' (1/N) sum_{i: t_i = l} x_i x_i' V)

a curvature that grows with how frequent the label is, with a ridge, so that rare labels do not leap, and with
the spread of the label's own words. The factor c_l adapts while solving, see solver.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.rankings.lca.problem import Penalties, ProbeData

__all__ = ["Metric", "ProximalState"]

RELAXATION = 1.6
INNER_STEPS = 20


@dataclass(frozen=True, eq=False)
class ProximalState:
    """What a proximal step leaves for the next: weights (exact zeros) and multipliers, (neurons, G, labels)."""

    weights: np.ndarray
    multipliers: np.ndarray


@dataclass(frozen=True, eq=False)
class Metric:
    """Curvature in the eigenvectors of the Gram matrix.

    Attributes:
        vectors: (neurons, neurons), eigenvectors in columns, dtype of the data.
        curvature: (neurons, labels), s_l above.
        bias_curvature: float64 (labels,).
    """

    vectors: np.ndarray
    curvature: np.ndarray
    bias_curvature: np.ndarray

    @classmethod
    def of(cls, data: ProbeData) -> Metric:
        """The metric of a data set: one Gram matrix, one eigendecomposition, one pass."""
        values, vectors = np.linalg.eigh(data.gram)
        values = np.maximum(values, 0.0)
        vectors = vectors.astype(data.centred.dtype)
        own = np.zeros((data.n_neurons, data.n_labels))
        for start in range(0, data.n_words, 4096):
            turned = np.square(data.centred[start : start + 4096] @ vectors)
            codes = data.codes[start : start + 4096]
            hot = np.zeros((len(codes), data.n_labels), dtype=turned.dtype)
            hot[np.arange(len(codes)), codes] = 1.0
            own += turned.T @ hot
        ridge = max(float(values.mean()), float(np.finfo(np.float32).tiny))
        curvature = (values[:, None] + ridge) * data.label_shares + 0.25 * own / data.n_words
        return cls(vectors, curvature.astype(data.centred.dtype), 0.5 * data.label_shares)

    def to_basis(self, table: np.ndarray) -> np.ndarray:
        """V' applied to the neurons of a (neurons, G, labels) array."""
        return (self.vectors.T @ table.reshape(len(table), -1)).reshape(table.shape)

    def from_basis(self, table: np.ndarray) -> np.ndarray:
        """V applied to the neurons of a (neurons, G, labels) array."""
        return (self.vectors @ table.reshape(len(table), -1)).reshape(table.shape)

    def proximal_step(
        self,
        start: np.ndarray,
        gradient: np.ndarray,
        factors: np.ndarray,
        penalties: Penalties,
        before: ProximalState,
    ) -> ProximalState:
        """Minimise <gradient, w - start> + 1/2 |w - start|^2_M + lambda1 |w|_1 + lambda2 |w|^2 over w.

        Without lambda1 the minimum is explicit. With it, over-relaxed ADMM splits the quadratic, which is
        diagonal in the eigenvectors, from the penalty, which is diagonal in the neurons, and goes on from
        ``before``.
        """
        dtype = start.dtype
        curvature = self.curvature[:, None, :] * factors.astype(dtype)
        l1, l2 = (part.astype(dtype)[None, :, None] for part in (penalties.l1, penalties.l2))
        target = curvature * self.to_basis(start) - self.to_basis(gradient)
        weights, multipliers = np.empty_like(start), np.zeros_like(start)
        plain = penalties.l1 == 0
        if plain.any():
            weights[:, plain] = self.from_basis(target[:, plain] / (curvature[:, plain] + 2.0 * l2[:, plain]))
        sparse = ~plain
        if sparse.any():
            weights[:, sparse], multipliers[:, sparse] = self._split(
                target[:, sparse], curvature[:, sparse], (l1[:, sparse], l2[:, sparse]),
                before.weights[:, sparse], before.multipliers[:, sparse],
            )  # fmt: skip
        return ProximalState(weights, multipliers)

    def _split(
        self,
        target: np.ndarray,
        curvature: np.ndarray,
        penalty: tuple[np.ndarray, np.ndarray],
        weights: np.ndarray,
        multipliers: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """ADMM on the proximal problem; returns weights and multipliers."""
        l1, l2 = penalty
        rho = np.exp(np.log(curvature).mean(axis=0, keepdims=True)) + 2.0 * l2
        inverse = 1.0 / (curvature + rho)
        scaled = multipliers / rho
        threshold, shrink = l1 / rho, 1.0 / (1.0 + 2.0 * l2 / rho)
        for _ in range(INNER_STEPS):
            free = self.to_basis(weights - scaled)
            free *= rho
            free += target
            free *= inverse
            scaled += RELAXATION * self.from_basis(free) + (1.0 - RELAXATION) * weights
            weights = np.clip(scaled, -threshold, threshold)
            np.subtract(scaled, weights, out=weights)
            weights *= shrink
            scaled -= weights
        return weights, scaled * rho
