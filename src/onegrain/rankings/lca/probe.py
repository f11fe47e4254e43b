"""The multinomial elastic-net probe, as an estimator in scikit-learn's manner."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from onegrain.core.progress import Progress, silent
from onegrain.errors import ParameterError
from onegrain.rankings.lca.labelled import LabelledWords
from onegrain.rankings.lca.problem import Penalties, ProbeData
from onegrain.rankings.lca.solver import Solution, SolverOptions, solve

__all__ = ["ElasticNetProbe", "FittedProbe", "ProbeSolver"]


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """A linear probe: logits = ((z - shift) / scale) weights' + biases.

    Attributes:
        weights: float64 (labels, neurons), theta on the scale that was penalised.
        biases: float64 (labels,).
        shift: float64 (neurons,); zero unless standardised.
        scale: float64 (neurons,); one unless standardised.
    """

    weights: np.ndarray
    biases: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    def logits(self, values: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        """float64 (words, labels) for activations (words, neurons); all neurons but ``kept`` set to zero.

        *Zero* is of the penalised scale: the value 0 of a raw neuron, the mean of a standardised one.
        """
        chosen = np.arange(len(self.shift)) if kept is None else np.sort(kept)
        folded = (self.weights / self.scale)[:, chosen]
        dtype = values.dtype if values.dtype == np.float64 else np.float32
        scores = (values[:, chosen] @ folded.T.astype(dtype)).astype(np.float64)
        return scores + (self.biases - folded @ self.shift[chosen])

    def predict(self, values: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
        """int64 (words,): the most probable label; ties to the first."""
        return self.logits(values, kept).argmax(axis=1)


class ProbeSolver:
    """Fits probes to the same words; the activations are centred, and if wanted scaled, once.

    A standardised neuron is divided by its standard deviation; a constant one gets zero weight either way.

    Args:
        words: the words, with activations in float32 or float64, which is also the precision of the products.
        options: limits on steps; the tolerance is given to :meth:`solve`.
        standardize: see :class:`FittedProbe`.
    """

    def __init__(
        self, words: LabelledWords, options: SolverOptions = SolverOptions(), *, standardize: bool = False
    ) -> None:
        self.words = words
        self.options = options
        self.standardize = standardize
        dtype = words.values.dtype
        self._mean = words.values.mean(axis=0, dtype=np.float64)
        centred = words.values - self._mean.astype(dtype)
        centred[:, words.values.min(axis=0) == words.values.max(axis=0)] = 0.0
        self._scale = np.ones(len(self._mean))
        if standardize:
            spread = np.sqrt(np.square(centred).mean(axis=0, dtype=np.float64))
            self._scale[spread > 0.0] = spread[spread > 0.0]
            centred /= self._scale.astype(dtype)
        self._data = ProbeData(centred, words.codes, len(words.labels))

    def solve(
        self,
        penalties: Penalties,
        tolerance: float,
        *,
        start: Solution | None = None,
        progress: Progress = silent,
    ) -> tuple[list[FittedProbe], Solution]:
        """One probe a penalty."""
        options = replace(self.options, tolerance=tolerance)
        solution = solve(self._data, penalties, options, start=start, progress=progress)
        shift = self._mean if self.standardize else np.zeros_like(self._mean)
        biases = solution.biases - solution.weights @ ((self._mean - shift) / self._scale)
        pairs = zip(solution.weights, biases, strict=True)
        return [FittedProbe(weights, bias, shift, self._scale) for weights, bias in pairs], solution

    def restrict(self, neurons: np.ndarray) -> ProbeSolver:
        """The same on some neurons only."""
        words = replace(self.words, values=self.words.values[:, neurons])
        return ProbeSolver(words, self.options, standardize=self.standardize)


class ElasticNetProbe(ClassifierMixin, BaseEstimator):
    """Multinomial logistic regression with an elastic net [Dalvi19], with exact zeros.

    Minimises ``mean cross-entropy (nats) + lambda1 * sum |theta| + lambda2 * sum theta^2``; biases are free.

    Args:
        lambda1: factor of the absolute weights, 0 or more.
        lambda2: factor of the squared weights, 0 or more.
        standardize: divide every neuron by its standard deviation first; ``coef_`` is then on that scale.
        tolerance: relative duality gap to reach; the relative gradient when both penalties are 0.
        max_steps: limit on steps.

    Attributes:
        classes_: (labels,), sorted.
        coef_: float64 (labels, neurons); one row a label also for two labels.
        intercept_: float64 (labels,).
        gap_: the relative duality gap that was reached; NaN when both penalties are 0.
        converged_: whether the tolerance was reached.
        n_iter_: steps taken.

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
        tolerance: float = 1e-4,
        max_steps: int = 1000,
    ) -> None:
        self.lambda1 = lambda1
        self.lambda2 = lambda2
        self.standardize = standardize
        self.tolerance = tolerance
        self.max_steps = max_steps

    def fit(self, X: np.ndarray, y: np.ndarray) -> ElasticNetProbe:
        """Fit to activations (words, neurons) and one label a word."""
        for name in ("lambda1", "lambda2"):
            if not 0 <= getattr(self, name) < np.inf:
                raise ParameterError(f"{name} must be 0 or more, got {getattr(self, name)}")
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ParameterError(f"a probe needs at least two labels, got one class: {self.classes_.tolist()}")
        penalties = Penalties(np.array([self.lambda1], float), np.array([self.lambda2], float))
        options = SolverOptions(max_steps=self.max_steps, max_free_steps=self.max_steps)
        names = tuple(str(one) for one in self.classes_)
        words = LabelledWords(X, codes.astype(np.int64), np.arange(len(X)), names, {})
        solver = ProbeSolver(words, options, standardize=self.standardize)
        (self.probe_,), solution = solver.solve(penalties, self.tolerance)
        self.coef_ = self.probe_.weights
        self.intercept_ = self.probe_.biases - (self.coef_ / self.probe_.scale) @ self.probe_.shift
        self.gap_, self.converged_ = float(solution.gap[0]), bool(solution.converged[0])
        self.n_iter_ = int(solution.steps[0])
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """float64 (words, labels): logits; for two labels (words,), the second less the first."""
        check_is_fitted(self)
        logits = self.probe_.logits(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_log_proba(self, X: np.ndarray) -> np.ndarray:
        """float64 (words, labels): log probabilities in nats."""
        check_is_fitted(self)
        logits = self.probe_.logits(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))
        logits = logits - logits.max(axis=1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """float64 (words, labels): probabilities."""
        return np.exp(self.predict_log_proba(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """(words,): the most probable label."""
        return self.classes_[self.predict_log_proba(X).argmax(axis=1)]
