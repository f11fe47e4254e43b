"""The probes with which rankings are evaluated: the elastic net of LCA, or any classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, automatic, renamed
from onegrain.errors import ParameterError
from onegrain.evaluation.options import ElasticNetOptions
from onegrain.evaluation.words import ProbeWords
from onegrain.rankings.data.memory import Memory, ScratchTable
from onegrain.rankings.elastic_net.predictions import predict
from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeRounds, ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions
from onegrain.rankings.lca.finalists import FINAL_GAP, Candidate, Finals
from onegrain.rankings.lca.scores import Score, sentence_sums, sentence_words

__all__ = ["Classifier", "ElasticNet", "EvaluationProbe", "describe"]

BLOCK = 4096
"""Number of words whose labels are predicted at once."""


class EvaluationProbe(ABC):
    """A classifier of words that can be fitted to any subset of their neurons."""

    @abstractmethod
    def masked(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        """Predict with the probe of all neurons, with all neurons outside each set of ``kept`` at zero.

        The probe of all neurons is fitted once, at the first call. The zero of a standardised neuron is its
        mean.

        Returns:
            int64 (sets, tested words), codes of the predicted labels.
        """

    @abstractmethod
    def alone(self, sets: Sequence[np.ndarray], advance: Callable[[int], None]) -> np.ndarray:
        """Fit a new probe to each set of neurons (ascending) alone.

        ``advance`` is called with the number of probes that were fitted since its last call.

        Returns:
            int64 (sets, tested words), codes of the predicted labels.
        """

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return facts for the record, as JSON values: what the probe is, and about its fits so far."""


class ElasticNet(EvaluationProbe):
    """A multinomial logistic regression with an elastic net, whose fits are certified by duality gaps.

    With several pairs of penalties, it uses the pair whose probe of all neurons is most accurate on ``dev``;
    ties go to the larger lambda1 + lambda2, then to the larger lambda1.
    """

    def __init__(
        self,
        words: ProbeWords,
        options: ElasticNetOptions,
        *,
        standardize: bool,
        memory: Memory,
        progress: Progress = automatic,
    ) -> None:
        self._words, self._options, self._progress = words, options, progress
        steps = SolverOptions(max_steps=options.max_steps, max_free_steps=options.max_free_steps)
        self._solver = ProbeSolver(words.train, steps, standardize=standardize, memory=memory)
        self._pair: tuple[float, float] | None = None
        self._full: FittedProbe | None = None
        self._grid: list[dict[str, Any]] = []
        self._choice: dict[str, Any] | None = None
        self._gaps: list[float] = []
        self._open = 0

    def masked(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        """See :class:`EvaluationProbe`."""
        return predict(self._words.test.values, [(self._fitted(), neurons) for neurons in kept])

    def alone(self, sets: Sequence[np.ndarray], advance: Callable[[int], None]) -> np.ndarray:
        """See :class:`EvaluationProbe`."""
        full = self._fitted()
        fits = self._solver.solve_subsets(
            sets,
            self._choose(),
            self._options.tolerance,
            start=(full, np.arange(len(full.shift))),
            advance=advance,
        )
        for _, solution in fits:
            self._count(solution)
        return predict(self._words.test.values, [(probe, None) for probe, _ in fits], sets)

    def facts(self) -> dict[str, Any]:
        """Return the probe, its penalties and their choice, and facts about its fits.

        ``grid`` holds the accuracies that decided between penalties, and ``choice`` the certificate of that
        choice (see :class:`~onegrain.rankings.lca.search.Search`; None with a single pair). ``open_fits``
        counts the fits that reached a limit on steps before the tolerance.
        """
        lambda1, lambda2 = self._choose()
        return {
            "probe": "elastic-net",
            "lambda1": lambda1,
            "lambda2": lambda2,
            "grid": self._grid,
            "choice": self._choice,
            "fits": len(self._gaps),
            "open_fits": self._open,
            "largest_gap": max((gap for gap in self._gaps if np.isfinite(gap)), default=None),
        }

    def _fitted(self) -> FittedProbe:
        """Return the probe of all neurons, fitted at the first call."""
        if self._full is None:
            (self._full,), solution = self._solver.solve(Penalties.of(self._choose()), self._options.tolerance)
            self._count(solution)
        return self._full

    def _count(self, solution: Solution) -> None:
        self._gaps.append(float(solution.gap[0]))
        self._open += not solution.converged[0]

    def _choose(self) -> tuple[float, float]:
        """Return the penalties, chosen at the first call."""
        if self._pair is None:
            pairs = self._options.pairs
            dev = self._words.dev
            self._pair = pairs[0] if dev is None or len(pairs) == 1 else self._search(pairs)
        return self._pair

    def _search(self, pairs: list[tuple[float, float]]) -> tuple[float, float]:
        dev = self._words.dev
        assert dev is not None
        tolerance = self._options.tolerance
        rounds: ProbeRounds | None = None
        if self._solver.is_large:
            rounds = self._solver.start_rounds(Penalties.of(*pairs), self._progress)
            fitted = [rounds.probe(number) for number in range(len(pairs))]
        else:
            probes, solution = self._solver.solve(
                Penalties.of(*pairs), tolerance, progress=renamed(self._progress, "grid")
            )
            fitted = [(probe, solution.take(np.array([number]))) for number, probe in enumerate(probes)]

        def score(probe: FittedProbe) -> Score:
            right = predict(dev.values, [(probe, None)])[0] == dev.codes
            return Score(float(right.mean()), sentence_sums(dev.sentences, right))

        finals = Finals(
            self._solver,
            [Candidate(pair, *fit, score(fit[0])) for pair, fit in zip(pairs, fitted, strict=True)],
            score,
            sentence_words(dev.sentences),
            2.0 / len(dev),
            (tolerance, min(tolerance, FINAL_GAP)),
            rounds=rounds,
        )
        chosen = finals.run()
        self._grid = [
            {"lambda1": candidate.pair[0], "lambda2": candidate.pair[1], "accuracy": candidate.score.value}
            for candidate in finals.candidates
        ]
        self._choice = finals.facts(chosen)
        return pairs[chosen]


class Classifier(EvaluationProbe):
    """Any classifier with ``fit`` and ``predict``, such as those of scikit-learn.

    Args:
        classifier: the classifier, of which a copy is fitted each time to float32 activations and int64 label
            codes.
        words: the training and test words.
        standardize: first standardise the neurons on the training words.
    """

    def __init__(self, classifier: Any, words: ProbeWords, *, standardize: bool) -> None:
        self._classifier = _require_classifier(classifier)
        train = _in_memory(words.train.values)
        mean = train.mean(axis=0, dtype=np.float64) if standardize else np.zeros(train.shape[1])
        spread = train.std(axis=0, dtype=np.float64) if standardize else np.ones(train.shape[1])
        unscaled = words.train.constant() | (spread == 0.0)
        self._mean, self._scale = mean, np.where(unscaled, 1.0, spread)
        self._train, self._codes = self._scaled(train), words.train.codes
        self._test = self._scaled(_in_memory(words.test.values))
        self._n_labels = len(words.train.labels)
        self._full: Any = None
        self._fits = 0

    def masked(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        """See :class:`EvaluationProbe`."""
        if self._full is None:
            self._full = self._fit(self._train)
        return np.stack([self._masked(neurons) for neurons in kept])

    def alone(self, sets: Sequence[np.ndarray], advance: Callable[[int], None]) -> np.ndarray:
        """See :class:`EvaluationProbe`."""
        predictions = []
        for neurons in sets:
            predictions.append(self._predict(self._fit(self._train[:, neurons]), self._test[:, neurons]))
            advance(1)
        return np.stack(predictions)

    def facts(self) -> dict[str, Any]:
        """Return ``probe``, its ``parameters``, and the number of ``fits``."""
        return {**describe(self._classifier), "fits": self._fits}

    def _masked(self, kept: np.ndarray) -> np.ndarray:
        predictions = np.empty(len(self._test), dtype=np.int64)
        for start in range(0, len(predictions), BLOCK):
            block = np.zeros_like(self._test[start : start + BLOCK])
            block[:, kept] = self._test[start : start + BLOCK, kept]
            predictions[start : start + BLOCK] = self._predict(self._full, block)
        return predictions

    def _fit(self, values: np.ndarray) -> Any:
        from sklearn.base import clone

        self._fits += 1
        return clone(self._classifier, safe=False).fit(values, self._codes)

    def _predict(self, fitted: Any, values: np.ndarray) -> np.ndarray:
        predictions = np.asarray(fitted.predict(values))
        if predictions.shape != (len(values),) or not np.isin(predictions, np.arange(self._n_labels)).all():
            raise ParameterError(
                f"{type(self._classifier).__name__} does not predict one of the labels that it was fitted to "
                f"for every word: it returned {predictions.dtype} of shape {predictions.shape}; "
                "give a classifier"
            )
        return predictions.astype(np.int64)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return ((values - self._mean) / self._scale).astype(np.float32)


def describe(classifier: Any) -> dict[str, Any]:
    """Return the class of a classifier and its parameters, as JSON values."""
    kind = type(classifier)
    parameters = classifier.get_params(deep=True) if hasattr(classifier, "get_params") else {}
    return {
        "probe": f"{kind.__module__}.{kind.__qualname__}",
        "parameters": {name: _plain(value) for name, value in sorted(parameters.items())},
    }


def _plain(value: Any) -> Any:
    """Return a parameter as a JSON value; objects become the name of their class."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _in_memory(values: np.ndarray | ScratchTable) -> np.ndarray:
    return values[:].numpy() if isinstance(values, ScratchTable) else values


def _require_classifier(classifier: Any) -> Any:
    if isinstance(classifier, type) or not all(
        callable(getattr(classifier, name, None)) for name in ("fit", "predict")
    ):
        raise ParameterError(
            f"probe must be 'elastic-net', or a classifier with fit and predict, got {classifier!r}"
        )
    return classifier
