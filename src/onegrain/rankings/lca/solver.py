"""Solve the probe's problem for a whole grid of penalties together, to a stated duality gap.

One step is one pass over the words, for all problems that are not done. At the point x the proximal step in the
metric of metric.py gives T(x); Anderson's extrapolation over the last of these (anderson.py) gives the next
trial point [the scheme of Mai and Johansson 2020, *Anderson acceleration of proximal gradient methods*]. A
trial that does not lower J is refused: the plain T(x) is tried next, and if that fails too, the curvature was
too small: its factor grows and the step is taken again. So J never rises, and nothing depends on a lucky step
size.

Every few steps the duality gap of T(x), which has exact zeros, is computed; only that ends a problem, or the
limit on steps. A problem that has ended leaves the batch, so the passes get cheaper.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from onegrain.core.progress import Progress, silent
from onegrain.rankings.lca.anderson import History
from onegrain.rankings.lca.duality import certify
from onegrain.rankings.lca.metric import Metric, ProximalState
from onegrain.rankings.lca.problem import Penalties, ProbeData

__all__ = ["Solution", "SolverOptions", "solve"]


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
    max_steps: int = 200
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
    """The problems that are still being solved; arrays as in problem.py.

    ``weights``, ``biases`` are the accepted points, with J, gradient and slope (of the biases) there;
    ``stepped`` is T of them; ``trial_*`` is what the next pass looks at, ``extrapolated`` whether it is more
    than T; ``lower`` is the best lower bound of the least J so far.
    """

    active: np.ndarray
    penalties: Penalties
    factors: np.ndarray
    stepped: ProximalState
    stepped_biases: np.ndarray
    trial_weights: np.ndarray
    trial_biases: np.ndarray
    extrapolated: np.ndarray
    weights: np.ndarray
    biases: np.ndarray
    objective: np.ndarray
    gradient: np.ndarray
    slope: np.ndarray
    lower: np.ndarray
    history: History

    def keep(self, mask: np.ndarray) -> None:
        """Drop the problems outside the mask."""
        self.penalties = self.penalties.take(mask)
        self.stepped = ProximalState(self.stepped.weights[:, mask], self.stepped.multipliers[:, mask])
        for name in ("trial_weights", "weights", "gradient"):
            setattr(self, name, getattr(self, name)[:, mask])
        for name in ("active", "factors", "stepped_biases", "trial_biases", "extrapolated", "biases"):
            setattr(self, name, getattr(self, name)[mask])
        self.objective, self.slope, self.lower = self.objective[mask], self.slope[mask], self.lower[mask]
        self.history.keep(mask)


def solve(
    data: ProbeData,
    penalties: Penalties,
    options: SolverOptions = SolverOptions(),
    *,
    start: Solution | None = None,
    progress: Progress = silent,
) -> Solution:
    """Minimise J for every penalty; ``start`` gives G probes to go on from."""
    metric = Metric.of(data)
    batch = _begin(data, penalties, start)
    result = _empty(data, len(penalties))
    limits = np.where(penalties.l1 + penalties.l2 == 0, options.max_free_steps, options.max_steps)
    if start is not None:
        _check(data, batch, result, 0, limits, options)
    step = 0
    with progress("solve probes", len(penalties), "probes") as advance:
        advance(len(penalties) - len(batch.active))
        while len(batch.active):
            step += 1
            _advance(data, metric, batch)
            if step % options.check_every == 0 or (limits[batch.active] == step).any():
                before = len(batch.active)
                _check(data, batch, result, step, limits, options)
                advance(before - len(batch.active))
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
        factors=np.ones(shape[1:]),
        stepped=ProximalState(weights, np.zeros_like(weights)),
        stepped_biases=biases,
        trial_weights=weights,
        trial_biases=biases,
        extrapolated=np.ones(len(penalties), dtype=bool),
        weights=weights,
        biases=biases,
        objective=np.full(len(penalties), np.inf),
        gradient=np.zeros_like(weights),
        slope=np.zeros_like(biases),
        lower=np.full(len(penalties), -np.inf),
        history=History(len(penalties)),
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
    found = certify(data, batch.penalties, batch.stepped.weights, batch.stepped_biases).sharpen(batch.lower)
    batch.lower = found.lower
    good = found.measure() <= options.tolerance
    done = good | (limits[batch.active] <= step)
    there = batch.active[done]
    result.weights[there] = batch.stepped.weights[:, done].transpose(1, 2, 0)
    result.weights[:, :, data.still] = 0.0
    result.biases[there] = batch.stepped_biases[done]
    result.objective[there], result.gap[there] = found.objective[done], found.gap[done]
    result.gradient[there], result.converged[there] = found.gradient[done], good[done]
    result.steps[there] = step
    if done.any():
        batch.keep(~done)


def _advance(data: ProbeData, metric: Metric, batch: _Batch) -> None:
    """One pass at the trial points, and the proximal step and the next trial from what is accepted."""
    dtype = batch.weights.dtype
    seen = data.expect(batch.trial_weights, batch.trial_biases)
    penalty = batch.penalties.absolute(batch.trial_weights) + batch.penalties.squared(batch.trial_weights)
    objective = seen.loss + penalty
    gradient = (seen.products - data.label_products[:, None, :]).astype(dtype)
    slope = seen.shares - data.label_shares
    accepted = objective <= batch.objective * (1.0 + 10.0 * float(np.finfo(dtype).eps))
    _adapt(metric, batch, accepted, (gradient, slope))
    wide = accepted[None, :, None]
    batch.weights = np.where(wide, batch.trial_weights, batch.weights)
    batch.gradient = np.where(wide, gradient, batch.gradient)
    batch.biases = np.where(accepted[:, None], batch.trial_biases, batch.biases)
    batch.slope = np.where(accepted[:, None], slope, batch.slope)
    batch.objective = np.where(accepted, objective, batch.objective)
    batch.history.forget(~accepted)
    batch.stepped = metric.proximal_step(
        batch.weights, batch.gradient, batch.factors, batch.penalties, batch.stepped
    )
    bias_curvature = batch.factors * metric.bias_curvature
    batch.stepped_biases = batch.biases - batch.slope / bias_curvature
    length = metric.to_basis(batch.stepped.weights - batch.weights)
    length *= np.sqrt(metric.curvature[:, None, :] * batch.factors.astype(dtype))
    bias_length = (batch.stepped_biases - batch.biases) * np.sqrt(bias_curvature)
    batch.history.add((batch.stepped.weights, batch.stepped_biases), (length, bias_length))
    batch.trial_weights, batch.trial_biases, batch.extrapolated = batch.history.extrapolate()


def _adapt(metric: Metric, batch: _Batch, accepted: np.ndarray, now: tuple[np.ndarray, np.ndarray]) -> None:
    """After a plain step, let every label's factor follow the curvature that was met on the way.

    That is <change of gradient, change of point> / |change of point|^2_M; a refused step raises the factor by
    at least 1.3, an accepted one lowers it by at most 0.8.
    """
    plain = ~batch.extrapolated
    if not plain.any():
        return
    moved, turned = batch.trial_weights - batch.weights, batch.trial_biases - batch.biases
    met = (moved * (now[0] - batch.gradient)).sum(axis=0, dtype=np.float64)
    met += turned * (now[1] - batch.slope)
    square = np.square(metric.to_basis(moved))
    square *= metric.curvature[:, None, :]
    length = square.sum(axis=0, dtype=np.float64) + metric.bias_curvature * turned**2
    ratio = met / np.maximum(length * batch.factors, np.finfo(np.float64).tiny)
    change = np.where(accepted[:, None], np.clip(1.5 * ratio, 0.8, 1.0), np.clip(1.1 * ratio, 1.3, 4.0))
    batch.factors = np.clip(batch.factors * np.where(plain[:, None], change, 1.0), 1e-3, 1e6)
