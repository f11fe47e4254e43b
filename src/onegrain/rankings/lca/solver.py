"""Solve the probe's problem for a whole grid of penalties together, to a stated duality gap.

Proximal gradient steps in the metric of metric.py, with Nesterov's momentum, restarted when momentum points
uphill [O'Donoghue and Candès 2015, *Adaptive restart for accelerated gradient schemes*]. The factor of every
label's curvature follows the curvature that was met on the way, <change of gradient, change of weights> /
|change of weights|^2_M: it jumps when that exceeds one and decays slowly below. No step is trusted: every few
steps the duality gap of duality.py is computed, and only that ends a problem, or the limit on steps. A problem
that has ended leaves the batch, so the passes get cheaper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from onegrain.rankings.lca.duality import Certificate, certify
from onegrain.rankings.lca.metric import Metric, ProximalState
from onegrain.rankings.lca.problem import Penalties, ProbeData

__all__ = ["Progress", "Solution", "SolverOptions", "solve"]

Progress = Callable[[int, int], None]
"""Called with (problems solved, problems in all) after every check."""


@dataclass(frozen=True)
class SolverOptions:
    """When to stop.

    Attributes:
        tolerance: relative duality gap that ends a problem; without any penalty, the relative gradient.
        max_steps: limit on steps of a problem with a penalty.
        max_free_steps: limit on steps of a problem without any, which may have no minimum.
        check_every: steps between two computations of the gap.
    """

    tolerance: float = 1e-3
    max_steps: int = 300
    max_free_steps: int = 60
    check_every: int = 10


@dataclass(frozen=True, eq=False)
class Solution:
    """G probes and how good they are.

    Attributes:
        weights: float64 (G, labels, neurons), with exact zeros.
        biases: float64 (G, labels), for centred activations.
        objective: float64 (G,).
        gap: float64 (G,), relative duality gap; NaN without any penalty.
        gradient: float64 (G,), relative gradient, see duality.py.
        converged: bool (G,), whether the tolerance was reached before the limit on steps.
        steps: int64 (G,).
    """

    weights: np.ndarray
    biases: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient: np.ndarray
    converged: np.ndarray
    steps: np.ndarray

    def take(self, kept: np.ndarray) -> Solution:
        """Some of the probes, by index."""
        return Solution(**{one.name: getattr(self, one.name)[kept] for one in fields(self)})

    def facts(self, at: int) -> dict[str, Any]:
        """How good one probe is, JSON-able."""
        gap = float(self.gap[at])
        return {
            "objective": float(self.objective[at]),
            "gap": None if np.isnan(gap) else gap,
            "gradient": float(self.gradient[at]),
            "converged": bool(self.converged[at]),
            "steps": int(self.steps[at]),
        }


@dataclass(eq=False)
class _Batch:
    """The state of the problems that are still being solved; arrays as in problem.py."""

    active: np.ndarray
    penalties: Penalties
    state: ProximalState
    biases: np.ndarray
    older_weights: np.ndarray
    older_biases: np.ndarray
    factors: np.ndarray
    momentum: np.ndarray
    last: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = field(default=None)

    def keep(self, mask: np.ndarray) -> None:
        """Drop the problems outside the mask."""
        self.active, self.penalties = self.active[mask], self.penalties.take(mask)
        self.state = ProximalState(self.state.weights[:, mask], self.state.multipliers[:, mask])
        self.older_weights = self.older_weights[:, mask]
        for name in ("biases", "older_biases", "factors", "momentum"):
            setattr(self, name, getattr(self, name)[mask])
        if self.last is not None:
            weights, gradient, biases, slope = self.last
            self.last = (weights[:, mask], gradient[:, mask], biases[mask], slope[mask])


def solve(
    data: ProbeData,
    penalties: Penalties,
    options: SolverOptions = SolverOptions(),
    *,
    start: Solution | None = None,
    progress: Progress | None = None,
) -> Solution:
    """Minimise J for every penalty; ``start`` gives G probes to go on from."""
    metric = Metric.of(data)
    batch = _begin(data, penalties, start)
    result = _empty(data, len(penalties))
    limits = np.where(penalties.l1 + penalties.l2 == 0, options.max_free_steps, options.max_steps)
    if start is not None:
        _check(data, batch, result, 0, limits, options)
    step = 0
    while len(batch.active):
        step += 1
        _advance(data, metric, batch)
        if step % options.check_every == 0 or (limits[batch.active] == step).any():
            _check(data, batch, result, step, limits, options)
            if progress is not None:
                progress(len(penalties) - len(batch.active), len(penalties))
    return result


def _begin(data: ProbeData, penalties: Penalties, start: Solution | None) -> _Batch:
    shape = (data.n_neurons, len(penalties), data.n_labels)
    weights = np.zeros(shape, dtype=data.centred.dtype)
    biases = np.tile(np.log(data.label_shares), (len(penalties), 1))
    if start is not None:
        weights[:] = start.weights.transpose(2, 0, 1)
        biases = start.biases.astype(np.float64)
    return _Batch(
        active=np.arange(len(penalties)),
        penalties=penalties,
        state=ProximalState(weights, np.zeros_like(weights)),
        biases=biases,
        older_weights=weights,
        older_biases=biases,
        factors=np.ones(shape[1:]),
        momentum=np.ones(len(penalties)),
    )


def _empty(data: ProbeData, grid: int) -> Solution:
    return Solution(
        weights=np.zeros((grid, data.n_labels, data.n_neurons)),
        biases=np.zeros((grid, data.n_labels)),
        objective=np.zeros(grid),
        gap=np.zeros(grid),
        gradient=np.zeros(grid),
        converged=np.zeros(grid, dtype=bool),
        steps=np.zeros(grid, dtype=np.int64),
    )


def _check(
    data: ProbeData,
    batch: _Batch,
    result: Solution,
    step: int,
    limits: np.ndarray,
    options: SolverOptions,
) -> None:
    """Certify the batch; problems that are done, or at their limit, go to the result and leave."""
    found: Certificate = certify(data, batch.penalties, batch.state.weights, batch.biases)
    good = found.measure() <= options.tolerance
    done = good | (limits[batch.active] <= step)
    there = batch.active[done]
    result.weights[there] = batch.state.weights[:, done].transpose(1, 2, 0)
    result.biases[there] = batch.biases[done]
    result.objective[there], result.gap[there] = found.objective[done], found.gap[done]
    result.gradient[there], result.converged[there] = found.gradient[done], good[done]
    result.steps[there] = step
    if done.any():
        batch.keep(~done)


def _advance(data: ProbeData, metric: Metric, batch: _Batch) -> None:
    """One accelerated proximal step of every problem in the batch."""
    following = (1.0 + np.sqrt(1.0 + 4.0 * batch.momentum**2)) / 2.0
    push = (batch.momentum - 1.0) / following
    weights, biases = batch.state.weights, batch.biases
    dtype = weights.dtype
    ahead = weights + push.astype(dtype)[None, :, None] * (weights - batch.older_weights)
    ahead_biases = biases + push[:, None] * (biases - batch.older_biases)
    seen = data.expect(ahead, ahead_biases)
    gradient = (seen.products - data.label_products[:, None, :]).astype(dtype)
    slope = seen.shares - data.label_shares
    _adapt(metric, batch, (ahead, gradient, ahead_biases, slope))
    state = metric.proximal_step(ahead, gradient, batch.factors, batch.penalties, batch.state)
    bias_curvature = batch.factors * metric.bias_curvature
    new_biases = ahead_biases - slope / bias_curvature
    turned_back = metric.to_basis(ahead - state.weights)
    turned_back *= metric.to_basis(state.weights - weights)
    turned_back *= metric.curvature[:, None, :]
    uphill = (turned_back.sum(axis=0, dtype=np.float64) * batch.factors).sum(axis=1)
    uphill += (bias_curvature * (ahead_biases - new_biases) * (new_biases - biases)).sum(axis=1)
    batch.momentum = np.where(uphill > 0.0, 1.0, following)
    batch.older_weights, batch.older_biases = weights, biases
    batch.state, batch.biases = state, new_biases


def _adapt(metric: Metric, batch: _Batch, now: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Let the factor of every label's curvature follow the curvature between this point and the last."""
    if batch.last is not None:
        (weights, gradient, biases, slope), last = now, batch.last
        moved, turned = weights - last[0], biases - last[2]
        met = (moved * (gradient - last[1])).sum(axis=0, dtype=np.float64) + turned * (slope - last[3])
        square = np.square(metric.to_basis(moved))
        square *= metric.curvature[:, None, :]
        length = square.sum(axis=0, dtype=np.float64) + metric.bias_curvature * turned**2
        ratio = met / np.maximum(length * batch.factors, np.finfo(np.float64).tiny)
        change = np.where(ratio > 1.0, np.minimum(1.1 * ratio, 4.0), np.clip(1.2 * ratio, 0.9, 1.0))
        batch.factors = np.clip(batch.factors * change, 1e-2, 1e6)
    batch.last = now
