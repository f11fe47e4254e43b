"""Coordinate descent finds the minimum of an elastic-net quadratic."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.rankings.elastic_net.coordinates import descend
from onegrain.rankings.elastic_net.quadratic import Quadratic, one_sided


def model(seed: int, n: int = 30, dtype: torch.dtype = torch.float64) -> Quadratic:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(60, n)) @ np.diag(rng.uniform(0.2, 2.0, size=n))
    parts = (
        factor.T @ factor / 60, rng.normal(size=n), rng.normal(size=n) * (rng.random(n) < 0.5),
        rng.uniform(0.1, 0.6, size=n), rng.uniform(0.0, 0.2, size=n),
    )  # fmt: skip
    return Quadratic(*(torch.from_numpy(part).to(dtype) for part in parts))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_descent_ends_at_the_minimum(dtype: torch.dtype) -> None:
    exact = dtype == torch.float64
    for seed in range(5):
        problem = model(seed, dtype=dtype)
        solution = problem.descend(2000, 1e-10 if exact else 1e-7)
        subgradient = one_sided(problem.slope(solution), solution, problem.l1)
        assert float(subgradient.abs().max()) <= (1e-8 if exact else 1e-4)
        assert (solution == 0.0).any()
        assert (solution != 0.0).any()
        assert problem.value(solution) < problem.value(problem.origin)
        assert solution.dtype == dtype


def test_the_slope_follows_the_solution_and_few_sweeps_go_part_of_the_way() -> None:
    problem = model(7)
    slope, x = problem.gradient.numpy().copy(), problem.origin.numpy().copy()
    given = problem.hessian.numpy(), slope, x, problem.l1.numpy(), problem.l2.numpy()
    assert descend(*given, 3, 1e-10) == 3
    quadratic = problem.gradient + problem.hessian @ (torch.from_numpy(x) - problem.origin)
    assert slope == pytest.approx(quadratic.numpy(), abs=1e-12)
    part = problem.value(torch.from_numpy(x))
    assert part < problem.value(problem.origin)
    sweeps = descend(*given, 2000, 1e-10)
    assert 1 <= sweeps < 2000
    assert problem.value(torch.from_numpy(x)) < part


def test_entries_without_curvature_stay_and_the_origin_is_kept() -> None:
    problem = model(8)
    problem.hessian[3], problem.hessian[:, 3] = 0.0, 0.0
    solution = problem.descend()
    assert solution[3] == problem.origin[3]
    assert torch.equal(problem.origin, model(8).origin)
    assert torch.equal(problem.gradient, model(8).gradient)
