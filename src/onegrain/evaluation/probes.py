"""The probes that rankings are evaluated with: the elastic net of LCA, or any classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, automatic
from onegrain.errors import ParameterError
from onegrain.evaluation.options import ElasticNetOptions
from onegrain.evaluation.words import ProbeWords
from onegrain.rankings.data.memory import Memory, ScratchTable
from onegrain.rankings.elastic_net.probe import FittedProbe, ProbeSolver, predict
from onegrain.rankings.elastic_net.problem import Penalties
from onegrain.rankings.elastic_net.solver import SolverOptions
from onegrain.rankings.lca.evaluation import accuracy
from onegrain.rankings.lca.finalists import FINAL_GAP, Candidate, Finals, finalists_limit

__all__ = ["Classifier", "ElasticNet", "Probe", "describe"]

BLOCK = 4096


class Probe(ABC):
    """A classifier of words that can be fitted to any of their neurons."""

    @abstractmethod
    def masked(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        """int64 (sets, tested words): what the probe of all neurons predicts, all but ``kept`` set to zero.

        The probe of all neurons is fitted once, when this is first called. Standardised neurons are held at
        their mean, which is their zero.
        """

    @abstractmethod
    def alone(self, neurons: np.ndarray) -> np.ndarray:
        """int64 (tested words,): what a new probe of these neurons (ascending) alone predicts."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """JSON-able: what the probe is, and how its fits came about so far."""


class ElasticNet(Probe):
    """Multinomial logistic regression with an elastic net, its fits certified by duality gaps.

    The penalties are those of one pair, or of the pair whose probe of all neurons is the most accurate on
    ``dev``; ties go to the larger lambda1 + lambda2, then to the larger lambda1.
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
        """See :class:`Probe`."""
        if self._full is None:
            self._full = self._fit(self._solver)
        full = self._full
        return predict(self._words.test.values, [(full, one) for one in kept])

    def alone(self, neurons: np.ndarray) -> np.ndarray:
        """See :class:`Probe`."""
        self._choose()
        probe = self._fit(self._solver.restrict(neurons))
        return predict(self._words.test.values, [(probe, None)], neurons)[0]

    def facts(self) -> dict[str, Any]:
        """``probe``, ``lambda1``, ``lambda2``, ``grid``, ``choice``, ``fits``, ``open_fits``, ``largest_gap``.

        ``grid`` has the accuracies that decided, ``choice`` what the choice among them is certified to (see
        :class:`~onegrain.rankings.lca.search.Search`; None where there was none to make); ``open_fits`` counts
        the fits that a limit on steps ended before the tolerance.
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

    def _fit(self, solver: ProbeSolver) -> FittedProbe:
        (probe,), solution = solver.solve(Penalties.of(self._choose()), self._options.tolerance)
        self._gaps.append(float(solution.gap[0]))
        self._open += not solution.converged[0]
        return probe

    def _choose(self) -> tuple[float, float]:
        """The penalties, chosen when they are first needed."""
        if self._pair is None:
            pairs = self._options.pairs
            dev = self._words.dev
            self._pair = pairs[0] if dev is None or len(pairs) == 1 else self._search(pairs)
        return self._pair

    def _search(self, pairs: list[tuple[float, float]]) -> tuple[float, float]:
        dev = self._words.dev
        assert dev is not None
        limit = 0 if self._solver.is_large else None
        tolerance = self._options.tolerance
        probes, solution = self._solver.solve(
            Penalties.of(*pairs), tolerance, limit=limit, progress=self._progress
        )
        predicted = predict(dev.values, [(probe, None) for probe in probes])
        candidates = [
            Candidate(pair, probe, solution.take(np.array([number])), accuracy(predicted[number], dev.codes))
            for number, (pair, probe) in enumerate(zip(pairs, probes, strict=True))
        ]
        finals = Finals(
            self._solver,
            candidates,
            lambda probe: accuracy(predict(dev.values, [(probe, None)])[0], dev.codes),
            2.0 / len(dev),
            (tolerance, min(tolerance, FINAL_GAP)),
            finalists_limit(self._solver.n_weights, None),
            exact=limit != 0,
        )
        chosen = finals.run()
        self._grid = [
            {"lambda1": one.pair[0], "lambda2": one.pair[1], "accuracy": one.score} for one in finals.candidates
        ]
        self._choice = finals.facts(chosen)
        return pairs[chosen]


class Classifier(Probe):
    """Any classifier with ``fit`` and ``predict``, such as those of scikit-learn; a copy is fitted each time.

    Args:
        classifier: is not changed. It is given float32 activations and int64 codes of the labels.
        words: where they learn and are tested.
        standardize: scale the neurons on the training words first.
    """

    def __init__(self, classifier: Any, words: ProbeWords, *, standardize: bool) -> None:
        self._classifier = _require_classifier(classifier)
        train = _whole(words.train.values)
        mean = train.mean(axis=0, dtype=np.float64) if standardize else np.zeros(train.shape[1])
        spread = train.std(axis=0, dtype=np.float64) if standardize else np.ones(train.shape[1])
        still = words.train.constant() | (spread == 0.0)
        self._mean, self._scale = mean, np.where(still, 1.0, spread)
        self._train, self._codes = self._scaled(train), words.train.codes
        self._test = self._scaled(_whole(words.test.values))
        self._n_labels = len(words.train.labels)
        self._full: Any = None
        self._fits = 0

    def masked(self, kept: Sequence[np.ndarray]) -> np.ndarray:
        """See :class:`Probe`."""
        if self._full is None:
            self._full = self._fit(self._train)
        return np.stack([self._masked(one) for one in kept])

    def alone(self, neurons: np.ndarray) -> np.ndarray:
        """See :class:`Probe`."""
        return self._predict(self._fit(self._train[:, neurons]), self._test[:, neurons])

    def facts(self) -> dict[str, Any]:
        """``probe``, its ``parameters``, and how many ``fits``."""
        return {**describe(self._classifier), "fits": self._fits}

    def _masked(self, kept: np.ndarray) -> np.ndarray:
        found = np.empty(len(self._test), dtype=np.int64)
        for start in range(0, len(found), BLOCK):
            block = np.zeros_like(self._test[start : start + BLOCK])
            block[:, kept] = self._test[start : start + BLOCK, kept]
            found[start : start + BLOCK] = self._predict(self._full, block)
        return found

    def _fit(self, values: np.ndarray) -> Any:
        from sklearn.base import clone

        self._fits += 1
        return clone(self._classifier, safe=False).fit(values, self._codes)

    def _predict(self, fitted: Any, values: np.ndarray) -> np.ndarray:
        found = np.asarray(fitted.predict(values))
        if found.shape != (len(values),) or not np.isin(found, np.arange(self._n_labels)).all():
            raise ParameterError(
                f"{type(self._classifier).__name__} does not predict one of the labels that it was fitted to "
                f"for every word, but {found.dtype} of shape {found.shape}; give a classifier"
            )
        return found.astype(np.int64)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return ((values - self._mean) / self._scale).astype(np.float32)


def describe(classifier: Any) -> dict[str, Any]:
    """What a classifier is: its class, and its parameters as JSON has them."""
    kind = type(classifier)
    given = classifier.get_params(deep=True) if hasattr(classifier, "get_params") else {}
    return {
        "probe": f"{kind.__module__}.{kind.__qualname__}",
        "parameters": {name: _plain(value) for name, value in sorted(given.items())},
    }


def _plain(value: Any) -> Any:
    """A parameter that JSON has as it is, a list of such, or else the name of its class."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _whole(values: np.ndarray | ScratchTable) -> np.ndarray:
    return values[:].numpy() if isinstance(values, ScratchTable) else values


def _require_classifier(classifier: Any) -> Any:
    if isinstance(classifier, type) or not all(
        callable(getattr(classifier, name, None)) for name in ("fit", "predict")
    ):
        raise ParameterError(
            f"probe must be 'elastic-net', or a classifier with fit and predict, got {classifier!r}"
        )
    return classifier
