"""The memory budget: scratch tables, the same answer from a file, and what is refused."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from onegrain.errors import ParameterError
from onegrain.rankings import rank
from onegrain.rankings.data.memory import Memory, ScratchTable, read_size, say_size
from onegrain.rankings.elastic_net import refinement, solver
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.solver import SolverOptions, solve
from support.planted import plant


def spilling_memory() -> Memory:
    """A budget that leaves no room for any table."""
    memory = Memory(1)
    memory._room = 0
    return memory


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_scratch_table_reads_and_writes_like_a_tensor(dtype: torch.dtype, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    scratch, tensor = ScratchTable((50, 7), dtype, tmp_path), torch.zeros(50, 7, dtype=dtype)
    for _ in range(200):
        first, left = rng.integers(0, 50), rng.integers(0, 7)
        rows = slice(int(first), int(rng.integers(first, 51)))
        columns = slice(int(left), int(rng.integers(left, 8))) if rng.random() < 0.5 else slice(None)
        key = rows if columns == slice(None) else (rows, columns)
        block = torch.from_numpy(rng.normal(size=tensor[rows, columns].shape)).to(dtype)
        scratch[key], tensor[key] = block, block
        assert torch.equal(scratch[rows], tensor[rows])
    some = rng.permutation(50)[:20]
    assert torch.equal(scratch[some], tensor[some])
    assert torch.equal(scratch[torch.from_numpy(some)], tensor[some])
    assert scratch[:].shape == (50, 7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("joint", [0, 2500])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_answer_from_scratch_files_is_the_same_to_the_bit(
    joint: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solver, "SMALL", 0)
    monkeypatch.setattr(refinement, "JOINT", joint)
    activations = plant(300).activations
    values, codes = activations.values(), activations.layer("upos").codes.astype(np.int64)
    weights = np.random.default_rng(0).integers(0, 3, len(values)).astype(float) if weighted else None
    pairs = Penalties.of((0.0, 0.0), (0.0, 1e-3), (1e-3, 0.0), (1e-2, 1e-3))
    options = SolverOptions(tolerance=1e-6, max_steps=20, max_free_steps=5)
    spilling = spilling_memory()
    table = spilling.table(*values.shape, torch.float32)
    table[:] = torch.from_numpy(values)
    inside = solve(ProbeData(values, codes, int(codes.max()) + 1, weights), pairs, options)
    outside = solve(ProbeData(table, codes, int(codes.max()) + 1, weights, memory=spilling), pairs, options)
    assert spilling.held == 0
    assert spilling.spilled > 3 * values.nbytes
    assert inside.steps.max() > 1
    for name in ("weights", "biases", "objective", "gap", "steps"):
        np.testing.assert_array_equal(getattr(inside, name), getattr(outside, name))


def test_a_ranking_does_not_depend_on_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    planted, held = plant(160, control=True), plant(60, seed=1, control=True).activations
    options = {"lambda1": (0.0, 1e-3), "lambda2": (0.0, 1e-3), "resamples": 100, "retraining_shares": (0.2,)}
    arguments = {"label": "upos", "dev": held, **options}
    inside = rank("lca", planted.activations, **arguments)
    monkeypatch.setattr("onegrain.rankings.lca.method.Memory", lambda limit, device: spilling_memory())
    outside = rank("lca", planted.activations, **arguments, memory="4GiB")
    assert inside.details == outside.details
    assert inside.order.tolist() == outside.order.tolist()
    assert inside.weights is not None
    assert outside.weights is not None
    assert inside.weights.tobytes() == outside.weights.tobytes()
    assert inside.details["evaluation"]["control"] is not None
    assert inside.provenance.parameters == outside.provenance.parameters


def test_a_budget_is_kept_and_given_back() -> None:
    before = psutil.Process().memory_info().rss
    memory = Memory(before + 200 * 2**20)
    memory.reserve(100 * 2**20, "a test")
    first = memory.table(2**10, 2**14, torch.float32)
    assert isinstance(first, torch.Tensor)
    assert memory.held == 2**26
    assert isinstance(memory.table(2**10, 2**14, torch.float32), ScratchTable)
    view = first[3:]
    del first
    gc.collect()
    assert memory.held == 2**26
    del view
    gc.collect()
    assert memory.held == 0
    assert isinstance(memory.table(2**10, 2**14, torch.float32), torch.Tensor)


def test_too_small_a_budget_is_refused_before_any_work() -> None:
    activations = plant(40).activations
    with pytest.raises(ParameterError, match=r"budget of 1 MiB is too small: .* held already.*give at least"):
        rank("lca", activations, label="upos", memory="1MiB")
    with pytest.raises(ParameterError, match="keeps to no memory budget"):
        rank("random", activations, memory="4GiB")


@pytest.mark.parametrize("text", ["", "4 apples", "-1GB", "0", "GiB", "1e9"])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="such as 4GiB"):
        read_size(text)


def test_sizes_are_read_and_said() -> None:
    assert [read_size(text) for text in ("512", "1kB", "1 KiB", "0.5GiB", "2tb")] == [
        512, 1000, 1024, 2**29, 2 * 10**12,
    ]  # fmt: skip
    assert say_size(2**30 + 1) == "1.1 GiB"


def test_a_full_disk_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ParameterError, match=r"No space left.*set TMPDIR"):
        ScratchTable((10, 10), torch.float32, tmp_path)
