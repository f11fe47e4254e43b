"""The least-squares probe of a few neurons for one label, and what every other neuron would add to it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onegrain.rankings.sparse.correlations import Correlations

__all__ = ["COPY", "SAME", "Fit", "first_best"]

COPY = 1e-6
"""A neuron is a copy in a set where no more of its variance is left beside the others; no set holds one."""
SAME = 1e-9
"""Of R^2: what is no further apart is equal. Without copies, rounding is below that."""


def first_best(values: np.ndarray, places: np.ndarray | None = None) -> int:
    """Return the position whose value is equal to the best: of several the first by ``places``, or by index."""
    equal = np.flatnonzero(values >= values.max() - SAME)
    return int(equal[0] if places is None else equal[places[equal].argmin()])


class Fit:
    """The regression of one label (0 or 1 a word, standardised) on a set of neurons, standardised.

    With R the correlations of the neurons, r theirs with the label and P = R_CC^-1 for the chosen ones C, the
    weights are b = P r_C, and beside the chosen ones there is left of neuron d left = 1 - R_dC P R_Cd of its
    variance and apart = r_d - R_dC b of its correlation with the label. It would add apart^2 / left to R^2.
    All follow from what they were before the last neuron came, by one step of Gauss-Jordan elimination.

    Attributes:
        chosen: flat indices, in the order in which they were added.
        steps: what each added to R^2.
        weights: float64 (chosen,), b.
        precision: float64 (chosen,), the diagonal of P: 1 over what is left of each beside the others.
        sides: float64 (chosen, neurons), P R_C: the weights of every neuron's regression on the chosen ones.
        left: float64 (neurons,).
        apart: float64 (neurons,).
    """

    def __init__(self, label: Float64[np.ndarray, " neurons"]) -> None:
        self.chosen: tuple[int, ...] = ()
        self.steps: tuple[float, ...] = ()
        self.weights, self.precision = np.empty(0), np.empty(0)
        self.sides = np.empty((0, len(label)))
        self.left, self.apart = np.ones(len(label)), label.copy()

    @classmethod
    def of(cls, label: Float64[np.ndarray, " neurons"], chosen: Iterable[int], known: Correlations) -> Fit:
        """Of some neurons, one after the other; ``label`` are the correlations with it."""
        found, neurons = cls(label), list(chosen)
        for neuron, row in zip(neurons, known.rows(neurons), strict=True):
            found.add(neuron, row)
        return found

    @property
    def r2(self) -> float:
        """Share of the label's variance that the probe explains on the training words."""
        return float(sum(self.steps))

    def gains(self, among: Bool[np.ndarray, " neurons"]) -> Float64[np.ndarray, " neurons"]:
        """What each neuron would add to R^2; -inf outside ``among``, and where the set would hold a copy."""
        possible = among & (self.left > COPY)
        possible[list(self.chosen)] = False
        left = np.where(possible, self.left, 1.0)
        if self.chosen:
            possible &= (self.precision[:, None] + self.sides**2 / left).max(axis=0) < 1.0 / COPY
        return np.where(possible, self.apart**2 / left, -np.inf)

    def add(self, neuron: int, row: Float64[np.ndarray, " neurons"]) -> None:
        """Choose a neuron; ``row`` are its correlations with all."""
        shared = row - row[list(self.chosen)] @ self.sides
        left, apart = shared[neuron], self.apart[neuron]
        new, side = shared / left, self.sides[:, neuron].copy()
        self.steps += (float(apart**2 / left),)
        self.weights = np.append(self.weights - side * (apart / left), apart / left)
        self.precision = np.append(self.precision + side**2 / left, 1.0 / left)
        self.sides = np.vstack([self.sides - np.outer(side, new), new])
        self.left = self.left - shared * new
        self.apart = self.apart - apart * new
        self.chosen += (neuron,)

    def best_swap(
        self, among: Bool[np.ndarray, " neurons"], places: Int64[np.ndarray, " neurons"] | None = None
    ) -> tuple[float, int, int]:
        """The exchange that adds most to R^2: how much, the position that goes, the neuron that comes.

        Taking out the i-th lowers R^2 by b_i^2 / P_ii, and leaves of neuron d the variance
        left_d + (P R_C)_id^2 / P_ii and the correlation apart_d + (P R_C)_id b_i / P_ii. Of neurons that add as
        much, the first by ``places`` comes.
        """
        precision, weights = self.precision[:, None], self.weights[:, None]
        left = self.left + self.sides**2 / precision
        apart = self.apart + self.sides * (weights / precision)
        possible = among & (left > COPY)
        possible[:, list(self.chosen)] = False
        gains = np.where(possible, apart**2 / np.where(possible, left, 1.0) - weights**2 / precision, -np.inf)
        neuron = first_best(gains.max(axis=0), places)
        position = int(gains[:, neuron].argmax())
        return float(gains[position, neuron]), position, neuron
