"""Time onegrain beside scikit-learn's saga on one pair of penalties, for the benchmarks of the probe."""

from __future__ import annotations

import time
import warnings
from statistics import median

import numpy as np
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression

from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import SolverOptions, solve
from onegrain.rankings.elastic_net.stochastic import Schedule

__all__ = ["PASSES", "RUNS", "beside_saga", "objective", "saga_figures", "saga_ratio"]

RUNS = 5
"""Of onegrain; the median counts. The peer runs longer, and once."""
WORDS, PAIR, PASSES = 6000, (1e-3, 1e-4), (20, 200)
EPOCHS = (0, 1, 2, 3, 4, 5, 6, 20)
EFFORTS = [
    *(SolverOptions(max_steps=0, schedule=Schedule(epochs, settled=0.0)) for epochs in EPOCHS),
    *(SolverOptions(tolerance) for tolerance in (0.2, 0.1, 1e-2, 1e-3, 1e-4)),
]
"""What onegrain tries in turn until it is as low as saga."""


def objective(logits, codes, pair, weights):
    """Return J, in nats per word, of logits (words, labels) in any precision, by its definition."""
    logits = np.asarray(logits, dtype=np.float64)
    loss = float((logsumexp(logits, axis=1) - logits[np.arange(len(codes)), codes]).mean())
    return loss + pair[0] * float(np.abs(weights).sum()) + pair[1] * float(np.square(weights).sum())


def beside_saga(train, passes):
    """Run scikit-learn's saga for some passes, and onegrain until it is as low.

    Returns ((seconds of each run, objective) of onegrain, (seconds, objective) of scikit-learn).
    """
    values, codes = train.values[:WORDS], np.unique(train.codes[:WORDS], return_inverse=True)[1]
    l1, l2 = PAIR
    strength = l1 + 2.0 * l2
    saga = LogisticRegression(
        C=1.0 / (len(values) * strength), l1_ratio=l1 / strength, solver="saga", max_iter=passes, tol=0.0
    )
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saga.fit(values, codes)
    peer = time.perf_counter() - start
    reached = objective(saga.decision_function(values), codes, PAIR, saga.coef_)
    for options in EFFORTS:
        seconds = []
        for _ in range(RUNS):
            start = time.perf_counter()
            data = ProbeData(values, codes, int(codes.max()) + 1)
            solution = solve(data, Penalties.of(PAIR), options)
            seconds.append(time.perf_counter() - start)
        if solution.objective[0] <= reached:
            return (seconds, float(solution.objective[0])), (peer, float(reached))
    raise SystemExit(f"onegrain stayed above scikit-learn's objective {reached}: {solution.objective[0]}")


def saga_ratio(compared) -> float:
    """Return scikit-learn's seconds by onegrain's, of what `beside_saga` returns."""
    ours, saga = compared
    return saga[0] / median(ours[0])


def saga_figures(compared) -> dict:
    """Return the seconds and objectives of what `beside_saga` returns."""
    ours, saga = compared
    return {
        "sklearn": {"seconds": saga[0], "objective": saga[1]},
        "onegrain": {"seconds": ours[0], "objective": ours[1]},
    }
