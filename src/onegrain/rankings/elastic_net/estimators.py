"""Elastic-net probes as scikit-learn estimators: a classifier of labels and a regressor of numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from onegrain.core.constant import rounding_in
from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.rankings.data.labelled import LabelledWords
from onegrain.rankings.data.memory import Memory, read_size
from onegrain.rankings.elastic_net.inputs import (
    CountedWords,
    read_activations,
    read_pairs,
    read_targets,
    read_weights,
)
from onegrain.rankings.elastic_net.probe import ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import SolverOptions
from onegrain.records.activations import Activations

__all__ = ["ElasticNetProbe", "ElasticNetRegressor", "alpha_max"]

TINY = 1e-300
STRICTEST = 1e-17


class ElasticNetProbe(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression with an elastic net [Dalvi19], with exact zeros.

    Minimises ``(1/N) sum_i omega_i * cross-entropy_i + lambda1 * sum |theta| + lambda2 * sum theta^2``, in
    nats, with omega_i the weight of word i, scaled to mean one; biases are free. Words of weight zero are left
    out, and so are labels that have only such words. With two labels and lambda2 = 0 the two rows of ``coef_``
    are not unique, but their difference is as unique as the weights of a logistic regression are.

    Activations may be an array, a data frame, a tensor or an ``Activations`` record, which is read block by
    block. Float32 activations are computed in float32, all others in float64.

    Args:
        lambda1: factor of the absolute weights, 0 or more.
        lambda2: factor of the squared weights, 0 or more.
        standardize: divide every neuron by its standard deviation (by weight) first; the penalties and
            ``coef_`` are then on that scale.
        class_weight: factors of the weights of the words, by label; ``"balanced"`` gives all labels the same
            total weight; None changes no weight. Labels missing from a dictionary have factor 1.
        tolerance: relative duality gap to reach; the relative gradient when both penalties are 0.
        max_iter: limit on Newton steps.
        memory: most memory that the process may hold while it fits to a record, as bytes or text such as
            ``"4GiB"``; what does not fit goes to scratch files. None for no limit.
        device: where to fit, such as ``"cuda"``; by default that of a CUDA tensor, otherwise the CPU.

    Attributes:
        classes_: (labels,), sorted.
        coef_: float64 (labels, neurons); one row per label, also with two labels.
        intercept_: float64 (labels,); logits = (X / scale_) coef_' + intercept_.
        scale_: float64 (neurons,), what the neurons are divided by; one unless standardised.
        duality_gap_: the relative duality gap that was reached; NaN when both penalties are 0.
        converged_: True if the tolerance was reached.
        n_iter_: number of Newton steps; 1 if none was needed.
        probe_: the :class:`~onegrain.rankings.elastic_net.probe.FittedProbe`.

    >>> z = np.array([[0.0, 1.0], [1.0, 1.0], [0.1, 1.0], [0.9, 1.0]])
    >>> probe = ElasticNetProbe(lambda1=0.01).fit(z, ["a", "b", "a", "b"])
    >>> probe.predict(z).tolist(), probe.coef_[:, 1].tolist()
    (['a', 'b', 'a', 'b'], [0.0, 0.0])
    """

    def __init__(
        self,
        *,
        lambda1: float = 1e-4,
        lambda2: float = 1e-4,
        standardize: bool = False,
        class_weight: Mapping[Any, float] | str | None = None,
        tolerance: float = 1e-4,
        max_iter: int = 1000,
        memory: int | str | None = None,
        device: str | None = None,
    ) -> None:
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.standardize = standardize
        self.class_weight = class_weight
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.memory = memory
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ElasticNetProbe:
        """Fit to activations (words, neurons), one label per word, and weights (words,) or None.

        Raises:
            ParameterError: an option, an activation or a weight is invalid, fewer than two labels are left,
                or the memory budget is too small.
        """
        _require_options(self)
        limit = None if self.memory is None else read_size(self.memory)
        tensor_device = X.device if isinstance(X, torch.Tensor) and X.is_cuda else "cpu"
        memory = Memory(limit, device=self.device or tensor_device)
        words = _read_words(self, X, y, sample_weight, memory)
        self.classes_, codes = np.unique(words.targets, return_inverse=True)
        names = tuple(str(label) for label in self.classes_)
        labelled = LabelledWords(
            words.values,
            codes.astype(np.int64),
            np.arange(len(words)),
            names,
            {},
            rounding=rounding_in(words.values.dtype),
        )
        options = SolverOptions(max_steps=self.max_iter, max_free_steps=self.max_iter)
        solver = ProbeSolver(
            labelled, options, standardize=self.standardize, weights=words.weights, memory=memory
        )
        (self.probe_,), solution = solver.solve(Penalties.of((self.lambda1, self.lambda2)), self.tolerance)
        self.coef_, self.scale_ = self.probe_.weights, self.probe_.scale
        self.intercept_ = self.probe_.biases - (self.coef_ / self.scale_) @ self.probe_.shift
        self.duality_gap_, self.converged_ = float(solution.gap[0]), bool(solution.converged[0])
        self.n_iter_ = max(1, int(solution.steps[0]))
        if not self.converged_:
            _warn(self, self.duality_gap_ if self.lambda1 or self.lambda2 else float(solution.gradient[0]))
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return logits, float64 (words, labels); for two labels (words,), the second minus the first."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return log probabilities in nats, float64 (words, labels)."""
        logits = self._logits(X)
        logits = logits - logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities, float64 (words, labels)."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable label of each word, (words,); the first one on ties."""
        best = self._logits(X).argmax(axis=1)
        return self.classes_[best]

    def _logits(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        if not isinstance(X, Activations):
            return self.probe_.logits(read_activations(self, X))
        blocks = (read_activations(self, block) for _, block in X.blocks())
        return np.concatenate([self.probe_.logits(block) for block in blocks])


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
        converged_: whether the tolerance was reached; True when both penalties are 0.
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
        _require_options(self)
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
            _warn(self, self.duality_gap_)
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


def alpha_max(
    X: Any,
    y: Any,
    *,
    standardize: bool = False,
    class_weight: Mapping[Any, float] | str | None = None,
    sample_weight: Any = None,
) -> float:
    """Return the smallest lambda1 for which all weights of :class:`ElasticNetProbe` are zero, for any lambda2.

    It is the largest ``|(1/N) sum_i omega_i (ybar_l - y_il) z_ij|`` of all labels l and neurons j: the slope of
    the cross-entropy at zero weights and the best biases, on the scale that is penalised.

    >>> round(alpha_max(np.array([[0.0], [1.0]]), ["a", "b"]), 6)
    0.25
    """
    probe = ElasticNetProbe(standardize=standardize, class_weight=class_weight)
    words = _read_words(probe, X, y, sample_weight)
    classes, codes = np.unique(words.targets, return_inverse=True)
    slopes = np.abs(words.products(np.eye(len(classes))[codes])) * (words.spread > 0.0)[:, None]
    return float((slopes / words.scale[:, None] if standardize else slopes).max(initial=0.0))


def _read_words(
    probe: ElasticNetProbe, X: Any, y: Any, sample_weight: Any, memory: Memory | None = None
) -> CountedWords:
    """Return the words whose weight, by sample and class, is above zero.

    With ``memory``, the words of a record are read block by block.

    Raises:
        ParameterError: fewer than two labels have such words.
    """
    if memory is not None and isinstance(X, Activations):
        labels = read_targets(probe, X, y)
        words = CountedWords.read(X, labels, _weights(probe, labels, sample_weight), memory)
    else:
        values, labels = read_pairs(probe, X, y)
        words = CountedWords.of(values, labels, _weights(probe, labels, sample_weight))
    classes = np.unique(words.targets)
    if len(classes) < 2:
        raise ParameterError(
            "a probe needs at least two labels that have words of a weight above zero, got one class: "
            f"{classes.tolist()}"
        )
    return words


def _weights(probe: ElasticNetProbe, labels: np.ndarray, sample_weight: Any) -> np.ndarray | None:
    """Return the weights of the words times those of their labels."""
    check_classification_targets(labels)
    rule, weights = probe.class_weight, read_weights(sample_weight, len(labels))
    if rule is None:
        return weights
    word_weights = np.ones(len(labels)) if weights is None else weights
    classes, codes = np.unique(labels, return_inverse=True)
    if isinstance(rule, str) and rule == "balanced":
        totals = np.bincount(codes, weights=word_weights)
        share = word_weights.sum() / max(1, np.count_nonzero(totals))
        factors = np.divide(share, totals, out=np.zeros(len(totals)), where=totals > 0.0)
    elif isinstance(rule, Mapping):
        factors = compute_class_weight(dict(rule), classes=classes, y=labels)
    else:
        raise ParameterError(f"class_weight must be None, 'balanced' or a dictionary by label, got {rule!r}")
    if not (np.isfinite(factors) & (factors >= 0.0)).all():
        raise ParameterError(f"class_weight must hold numbers of 0 or more, got {rule!r}")
    return word_weights * factors[codes]


def _require_options(probe: ElasticNetProbe | ElasticNetRegressor) -> None:
    """Raise ParameterError for an option with an invalid value."""
    for name in ("lambda1", "lambda2", "tolerance"):
        value = getattr(probe, name)
        if isinstance(value, bool) or not isinstance(value, Real) or not 0.0 <= float(value) < np.inf:
            raise ParameterError(f"{name} must be 0 or more, got {value!r}")
    require_count("max_iter", probe.max_iter)


def _warn(probe: ElasticNetProbe | ElasticNetRegressor, reached: float) -> None:
    """Warn that the tolerance was not reached."""
    what = "duality gap" if probe.lambda1 or probe.lambda2 else "gradient"
    warnings.warn(
        f"{type(probe).__name__} stopped after {probe.n_iter_} steps (max_iter={probe.max_iter}) at a relative "
        f"{what} of {reached:.1e}, above the tolerance of {probe.tolerance:.1e}; raise max_iter or the "
        "tolerance, give float64 activations, or set standardize=True",
        ConvergenceWarning,
        stacklevel=3,
    )
