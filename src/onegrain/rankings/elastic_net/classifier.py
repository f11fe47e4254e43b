"""Fit an elastic-net probe of labels, as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from onegrain.core.constant import rounding_in
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
from onegrain.rankings.elastic_net.settings import require_penalties, warn_unconverged
from onegrain.rankings.elastic_net.solver import SolverOptions
from onegrain.records.activations import Activations

__all__ = ["ElasticNetProbe", "alpha_max"]


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
        require_penalties(self)
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
            warn_unconverged(
                self, self.duality_gap_ if self.lambda1 or self.lambda2 else float(solution.gradient[0])
            )
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
