"""The least-squares probe of a few neurons for one label, and the gain that every other neuron would bring."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onegrain.rankings.sparse.correlations import LabelCorrelations

__all__ = ["COPY", "SAME", "Fit", "first_best"]

COPY = 1e-6
"""A neuron with no more variance than this given the others of a set is a copy; sets hold no copies."""
SAME = 1e-9
"""Two R^2 that differ by no more than this are equal; without copies, rounding is smaller."""


def first_best(values: np.ndarray, places: np.ndarray | None = None) -> int:
    """Return the position of the best value; of equal values the first by ``places``, or by index."""
    equal = np.flatnonzero(values >= values.max() - SAME)
    return int(equal[0] if places is None else equal[places[equal].argmin()])


class Fit:
    """The regression of one label (a standardised indicator) on a set of standardised neurons.

    With R the correlations of the neurons, r their correlations with the label, and P = R_CC^-1 for the chosen
    neurons C, the weights are b = P r_C. Given the chosen neurons, neuron d keeps the variance
    variance = 1 - R_dC P R_Cd and the covariance = r_d - R_dC b with the label; adding it would raise R^2 by
    covariance^2 / variance. Each addition updates all of these by one step of Gauss-Jordan elimination.

    Attributes:
        chosen: flat indices, in the order in which they were added.
        steps: the gain in R^2 of each chosen neuron.
        weights: float64 (chosen,), b.
        precision: float64 (chosen,), the diagonal of P: 1 over the variance of each given the others.
        regressions: float64 (chosen, neurons), P R_C: the weights of every neuron's regression on the chosen
            ones.
        variance: float64 (neurons,), the variance of each neuron given the chosen ones.
        covariance: float64 (neurons,), the covariance of each neuron with the label given the chosen ones.
    """

    def __init__(self, label: Float64[np.ndarray, " neurons"]) -> None:
        self.chosen: tuple[int, ...] = ()
        self.steps: tuple[float, ...] = ()
        self.weights, self.precision = np.empty(0), np.empty(0)
        self.regressions = np.empty((0, len(label)))
        self.variance, self.covariance = np.ones(len(label)), label.copy()

    @classmethod
    def of(cls, label: Float64[np.ndarray, " neurons"], chosen: Iterable[int], known: LabelCorrelations) -> Fit:
        """Return the fit of neurons added one by one; ``label`` are the correlations with the label."""
        fit, neurons = cls(label), list(chosen)
        for neuron, row in zip(neurons, known.rows(neurons), strict=True):
            fit.add(neuron, row)
        return fit

    @property
    def r2(self) -> float:
        """Share of the label's variance that the probe explains on the training words."""
        return float(sum(self.steps))

    def gains(self, among: Bool[np.ndarray, " neurons"]) -> Float64[np.ndarray, " neurons"]:
        """Return each neuron's gain in R^2; -inf outside ``among``, and where the set would hold a copy."""
        possible = among & (self.variance > COPY)
        possible[list(self.chosen)] = False
        variance = np.where(possible, self.variance, 1.0)
        if self.chosen:
            possible &= (self.precision[:, None] + self.regressions**2 / variance).max(axis=0) < 1.0 / COPY
        return np.where(possible, self.covariance**2 / variance, -np.inf)

    def add(self, neuron: int, row: Float64[np.ndarray, " neurons"]) -> None:
        """Add a neuron; ``row`` are its correlations with all neurons."""
        shared = row - row[list(self.chosen)] @ self.regressions
        variance, covariance = shared[neuron], self.covariance[neuron]
        regression, weights = shared / variance, self.regressions[:, neuron].copy()
        self.steps += (float(covariance**2 / variance),)
        self.weights = np.append(self.weights - weights * (covariance / variance), covariance / variance)
        self.precision = np.append(self.precision + weights**2 / variance, 1.0 / variance)
        self.regressions = np.vstack([self.regressions - np.outer(weights, regression), regression])
        self.variance = self.variance - shared * regression
        self.covariance = self.covariance - covariance * regression
        self.chosen += (neuron,)

    def best_swap(
        self, among: Bool[np.ndarray, " neurons"], places: Int64[np.ndarray, " neurons"] | None = None
    ) -> tuple[float, int, int]:
        """Return the best exchange: its gain in R^2, the position to remove, and the neuron to add.

        Removing the i-th chosen neuron lowers R^2 by b_i^2 / P_ii, and changes the variance of neuron d to
        variance_d + (P R_C)_id^2 / P_ii and its covariance to covariance_d + (P R_C)_id b_i / P_ii. Of equal
        neurons, the first by ``places`` is added.
        """
        precision, weights = self.precision[:, None], self.weights[:, None]
        variance = self.variance + self.regressions**2 / precision
        covariance = self.covariance + self.regressions * (weights / precision)
        possible = among & (variance > COPY)
        possible[:, list(self.chosen)] = False
        gains = np.where(
            possible, covariance**2 / np.where(possible, variance, 1.0) - weights**2 / precision, -np.inf
        )
        neuron = first_best(gains.max(axis=0), places)
        position = int(gains[:, neuron].argmax())
        return float(gains[position, neuron]), position, neuron
