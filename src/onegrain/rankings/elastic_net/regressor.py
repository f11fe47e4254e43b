"""Fit a linear regression with an elastic net, as a scikit-learn estimator."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.utils.validation import check_is_fitted

from onegrain.rankings.elastic_net.inputs import (
    CountedWords,
    read_activations,
    read_pairs,
    read_weights,
)
from onegrain.rankings.elastic_net.settings import require_penalties, warn_unconverged

__all__ = ["ElasticNetRegressor"]

TINY = 1e-300
STRICTEST = 1e-17


class ElasticNetRegressor(RegressorMixin, BaseEstimator):
    """Linear regression with an elastic net, for numeric labels such as a word's frequency or depth.

    Minimises ``(1/2N) sum_i omega_i (y_i - theta z_i - b)^2 + lambda1 * sum |theta| + lambda2 * sum theta^2``,
    with omega_i the weight of word i, scaled to mean one, by scikit-learn's coordinate descent; without lambda1
    by its ridge regression, without both penalties by its least squares. Zero weights are exact zeros.

    Args:
        lambda1: factor of the absolute weights, 0 or more.
        lambda2: factor of the squared weights, 0 or more.
        standardize: see :class:`ElasticNetProbe`.
        tolerance: duality gap to reach, relative to the objective at the solution.
        max_iter: limit on sweeps over the neurons.

    Attributes:
        coef_: float64 (neurons,).
        intercept_: float; predictions are (X / scale_) coef_ + intercept_.
        scale_: float64 (neurons,), what the neurons are divided by; one unless standardised.
        duality_gap_: the relative duality gap that was reached; NaN when both penalties are 0.
        converged_: True if the tolerance was reached; True when both penalties are 0.
        n_iter_: sweeps; 1 without lambda1.

    >>> z = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 0.0], [3.0, 1.0]])
    >>> probe = ElasticNetRegressor(lambda1=0.01, lambda2=0.0).fit(z, [0.0, 2.0, 4.0, 6.0])
    >>> probe.coef_.round(3).tolist()
    [1.992, 0.0]
    """

    def __init__(
        self,
        *,
        lambda1: float = 1e-4,
        lambda2: float = 1e-4,
        standardize: bool = False,
        tolerance: float = 1e-4,
        max_iter: int = 1000,
    ) -> None:
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.standardize = standardize
        self.tolerance = tolerance
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ElasticNetRegressor:
        """Fit to activations (words, neurons), one number per word, and weights (words,) or None.

        Raises:
            ParameterError: an option, an activation or a weight is invalid.
        """
        require_penalties(self)
        values, numbers = read_pairs(self, X, y, y_numeric=True)
        weights = read_weights(sample_weight, len(values))
        words = CountedWords.of(values, numbers.astype(np.float64), weights)
        live = words.spread > 0.0
        self.scale_ = words.scale if self.standardize else np.ones(len(live))
        values = words.standardized() if self.standardize else words.values
        varying = replace(words, values=values if live.all() else values[:, live])
        self.coef_ = np.zeros(len(live))
        self.coef_[live], self.n_iter_ = self._solve(varying) if live.any() else (np.zeros(0), 1)
        self.intercept_ = float(words.average(words.targets) - (self.coef_ / self.scale_) @ words.mean)
        self.duality_gap_ = self._gap(varying, self.coef_[live])
        self.converged_ = not self.duality_gap_ > self.tolerance
        if not self.converged_:
            warn_unconverged(self, self.duality_gap_)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the predicted number of each word, float64 (words,)."""
        check_is_fitted(self)
        values = read_activations(self, X)
        folded = (self.coef_ / self.scale_).astype(values.dtype)
        return (values @ folded).astype(np.float64) + self.intercept_

    def _solve(self, words: CountedWords) -> tuple[np.ndarray, int]:
        """Return weights (neurons,) and the number of sweeps that they took."""
        training = words.values, words.targets, words.weights
        if not self.lambda1:
            ridge = Ridge(alpha=2.0 * self.lambda2 * len(words)) if self.lambda2 else LinearRegression()
            return ridge.fit(*training).coef_.astype(np.float64), 1
        alpha = self.lambda1 + 2.0 * self.lambda2
        model = ElasticNet(alpha=alpha, l1_ratio=self.lambda1 / alpha, warm_start=True)
        strictness, sweeps = float(self.tolerance), 0
        while True:
            model.set_params(tol=strictness, max_iter=self.max_iter - sweeps)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(*training)
            sweeps += model.n_iter_
            gap = self._gap(words, model.coef_)
            strictness *= min(0.1, 0.5 * self.tolerance / max(gap, TINY))
            if gap <= self.tolerance or sweeps >= self.max_iter or strictness < STRICTEST:
                return model.coef_.astype(np.float64) + 0.0, max(1, sweeps)

    def _gap(self, words: CountedWords, coef: np.ndarray) -> float:
        """Return the relative duality gap.

        The dual points are the residuals scaled to be feasible for lambda2 = 0 and, with lambda2, the residuals
        as they are; the higher of the two bounds is used.
        """
        if not (self.lambda1 or self.lambda2):
            return float("nan")
        centred = words.targets - words.average(words.targets)
        residual = words.targets - words.values @ coef.astype(words.values.dtype)
        residual -= words.average(residual)
        slope = np.abs(words.products(residual[:, None])[:, 0])
        squares, covariance = words.average(residual**2), words.average(centred * residual)
        penalty = self.lambda1 * np.abs(coef).sum() + self.lambda2 * np.square(coef).sum()
        primal = float(0.5 * squares + penalty)
        feasible = min(1.0, self.lambda1 / max(slope.max(initial=0.0), TINY)) * (1.0 - 1e-12)
        duals = [feasible * covariance - 0.5 * feasible**2 * squares]
        if self.lambda2:
            over = np.maximum(slope - self.lambda1, 0.0)
            duals.append(covariance - 0.5 * squares - np.square(over).sum() / (4.0 * self.lambda2))
        return max(0.0, primal - float(max(duals))) / max(primal, TINY)
