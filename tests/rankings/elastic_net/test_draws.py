"""Draws that are solved together are the probes that each alone would be."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net import draws as module
from onegrain.rankings.elastic_net import solver
from onegrain.rankings.elastic_net.draws import solve_draws
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import Solution, SolverOptions, solve

PAIR = (1e-2, 1e-2)
WORDS, DRAWS = 3000, 6


def problem(memory: Memory | None = None) -> tuple[np.ndarray, np.ndarray, ProbeData]:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(WORDS, 20)).astype(np.float32)
    codes = np.argmax(hidden[:, :4] + 0.7 * rng.normal(size=(WORDS, 4)), axis=1)
    values = 3.0 + hidden * np.linspace(0.1, 4.0, 20, dtype=np.float32)
    return values, codes, ProbeData(values, codes, 4, memory=memory)


def resamples() -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([np.bincount(rng.integers(0, WORDS, WORDS), minlength=WORDS) for _ in range(DRAWS)]).astype(
        float
    )


def together(data: ProbeData, tolerance: float, pair: tuple[float, float] = PAIR) -> Solution:
    solution = solve(data, Penalties.of(pair), SolverOptions())
    start = solution.weights[0], solution.biases[0]
    return solve_draws(data, pair, resamples(), start, SolverOptions(tolerance=tolerance))


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("group", [2, 6])
def test_together_as_alone(large: bool, group: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same least objective, to the tolerance; of words that are really repeated, and not only weighed."""
    monkeypatch.setattr(solver, "SMALL", 0 if large else 10**6)
    monkeypatch.setattr(module, "COLUMNS", 4 * group)
    values, codes, data = problem()
    draws = together(data, 1e-3)
    assert draws.converged.all()
    assert (draws.gap <= 1e-3).all()
    assert draws.weights.shape == (DRAWS, 4, 20)
    assert (draws.steps == 0).all() == large
    for number, often in enumerate(resamples().astype(int)):
        repeated = ProbeData(np.repeat(values, often, axis=0), np.repeat(codes, often), 4)
        alone = solve(repeated, Penalties.of(PAIR), SolverOptions(tolerance=1e-7))
        assert draws.objective[number] == pytest.approx(alone.objective[0], rel=1e-3)
        assert draws.weights[number] == pytest.approx(alone.weights[0], abs=0.02)
        biases = draws.biases[number] - draws.weights[number] @ data.mean
        expected = alone.biases[0] - alone.weights[0] @ repeated.mean
        assert biases - biases.mean() == pytest.approx(expected - expected.mean(), abs=0.2)


def test_what_stochastic_steps_leave_open_newton_steps_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "SMALL", 0)
    monkeypatch.setattr(module, "ROUNDS", 1)
    monkeypatch.setattr(module, "ROUND", 1)
    data = problem()[2]
    draws = together(data, 1e-6)
    assert draws.converged.all()
    assert (draws.steps > 0).all()
    free = together(data, 1e-2, (0.0, 0.0))
    assert np.isnan(free.gap).all()
    assert (free.gradient <= 1e-2).all()


def test_a_budget_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "SMALL", 0)
    inside = together(problem()[2], 1e-3)
    memory = Memory(1)
    memory._room = 0
    outside = together(problem(memory)[2], 1e-3)
    assert memory.spilled
    assert np.array_equal(inside.weights, outside.weights)
