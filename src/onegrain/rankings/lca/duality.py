"""How far a probe is from the best one: the duality gap of the multinomial elastic net.

Let pi_i be a distribution over labels for every word. Fenchel duality gives, for every choice of pi that keeps
the label totals, sum_i pi_i = sum_i y_i (the condition of the unpenalised bias),

    min J  >=  (1/N) sum_i H(pi_i) - sum_{l,j} r*(g_lj),      g = (1/N) sum_i (pi_i - y_i) x_i'

with H the entropy in nats (minus it is the conjugate of the cross-entropy) and r* the conjugate of the penalty,

    r*(g) = max(|g| - lambda1, 0)^2 / (4 lambda2)          where lambda2 > 0
    r*(g) = 0 if |g| <= lambda1, infinite otherwise        where lambda2 = 0.

At the solution pi = P attains equality. Before it, P is made to keep the label totals, and is then drawn
towards y:

1. kept_l = min(1, ybar_l / Pbar_l), rest_l proportional to max(ybar_l - Pbar_l, 0), and
   Q_i = kept * P_i + (1 - kept.P_i) * rest. Every Q_i is a distribution and their mean is ybar. As X is
   centred, the gradient at Q follows from that at P without a pass: (1/N) sum_i Q_i x_i' = A - rest * sum_l
   A_l, A = kept * (1/N) sum P_i x_i'.
2. pi_i = s Q_i + (1 - s) y_i, whose gradient is s times that of Q. For lambda2 = 0, s is the largest that makes
   it feasible; else the best of a few, by a first-order model of the entropy. Any s gives a true lower bound.

The gap is J minus that bound, relative to J. In float32 it is uncertain by some 1e-6 nats, and may come out
below zero by that much. With lambda1 = lambda2 = 0 there is no useful bound, as data that can be separated
have no minimum at all; the largest absolute entry of the gradient, relative to that of the problem at
theta = 0, takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.rankings.lca.problem import DualCandidate, Expectation, Penalties, ProbeData

__all__ = ["Certificate", "certify"]

SCALES = np.linspace(1.0, 0.5, 26)


@dataclass(frozen=True, eq=False)
class Certificate:
    """How good G probes are.

    Attributes:
        objective: float64 (G,), J.
        lower: float64 (G,), a lower bound of the least J; NaN for lambda1 = lambda2 = 0.
        gradient: float64 (G,), largest absolute entry of the loss's gradient by weight and bias, relative to
            the same at theta = 0.
    """

    objective: np.ndarray
    lower: np.ndarray
    gradient: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """float64 (G,): the relative duality gap; NaN for lambda1 = lambda2 = 0."""
        return (self.objective - self.lower) / np.maximum(self.objective, np.finfo(np.float64).tiny)

    def measure(self) -> np.ndarray:
        """float64 (G,): the gap, or the gradient where the gap is not defined."""
        return np.where(np.isnan(self.gap), self.gradient, self.gap)

    def sharpen(self, lower: np.ndarray) -> Certificate:
        """The same with the better of two lower bounds: one that was found earlier still holds."""
        return Certificate(self.objective, np.maximum(self.lower, lower), self.gradient)


def certify(data: ProbeData, penalties: Penalties, weights: np.ndarray, biases: np.ndarray) -> Certificate:
    """Objective and relative duality gap of G probes, in two passes over the words."""
    seen = data.expect(weights, biases)
    absolute, squared = penalties.absolute(weights), penalties.squared(weights)
    objective = seen.loss + absolute + squared
    candidate, bound = _candidate(data, penalties, seen, absolute + 2.0 * squared)
    lower = data.entropy(weights, biases, candidate) - bound
    lower[(penalties.l1 == 0) & (penalties.l2 == 0)] = np.nan
    slope = np.abs(seen.products - data.label_products[:, None, :]).max(axis=(0, 2))
    slope = np.maximum(slope, np.abs(seen.shares - data.label_shares).max(axis=1))
    scale = max(float(np.abs(data.label_products).max()), np.finfo(np.float64).tiny)
    return Certificate(objective, lower, slope / scale)


def _candidate(
    data: ProbeData, penalties: Penalties, seen: Expectation, slope: np.ndarray
) -> tuple[DualCandidate, np.ndarray]:
    """The dual point made of P, and sum r* of its gradient; ``slope`` (G,) is the entropy's in s at 1."""
    kept = np.minimum(1.0, data.label_shares / np.maximum(seen.shares, np.finfo(np.float64).tiny))
    missing = np.maximum(data.label_shares - seen.shares, 0.0)
    rest = missing / np.maximum(missing.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    moved = kept * seen.products
    gradient = np.abs(moved - rest * moved.sum(axis=2, keepdims=True) - data.label_products[:, None, :])
    scale, bound = np.zeros(len(penalties)), np.zeros(len(penalties))
    for at, (l1, l2) in enumerate(zip(penalties.l1, penalties.l2, strict=True)):
        here = gradient[:, at]
        feasible = min(1.0, l1 / max(float(here.max()), np.finfo(np.float64).tiny))
        if l2 == 0:
            scale[at] = feasible * (1.0 - 1e-12)
            continue
        scales = np.append(SCALES, feasible)
        large = here[here > l1]
        costs = np.array([(np.maximum(s * large - l1, 0.0) ** 2).sum() / (4.0 * l2) for s in scales])
        best = int(np.argmax(-(1.0 - scales) * slope[at] - costs))
        scale[at], bound[at] = scales[best], costs[best]
    return DualCandidate(scale, kept, rest), bound
