"""Predictions of many jobs in one pass: each job gets the logits that it has alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from onegrain.rankings.data.memory import ScratchTable
from onegrain.rankings.elastic_net import predictions
from onegrain.rankings.elastic_net.predictions import predict
from onegrain.rankings.elastic_net.probe import FittedProbe

WORDS, NEURONS, LABELS = 700, 60, 5

Job = tuple[FittedProbe, np.ndarray | None]


def _probe(seed: int, *, neurons: int = NEURONS, share: float = 0.4, extreme: bool = False) -> FittedProbe:
    """Return a standardised probe with weights at a share of its neurons, some of them of extreme size."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(LABELS, neurons)) * (rng.random(neurons) < share)
    scale = rng.uniform(0.5, 2.0, neurons)
    if extreme:
        scale[::4] *= 1e-38
    return FittedProbe(weights, rng.normal(size=LABELS), rng.normal(size=neurons) * scale, scale)


def _values(probe: FittedProbe, kind: type = np.float32) -> np.ndarray:
    rng = np.random.default_rng(9)
    return (probe.shift + probe.scale * rng.normal(size=(WORDS, len(probe.scale)))).astype(kind)


def _chain(probe: FittedProbe) -> list[Job]:
    """Return jobs that keep the first neurons of three orders, all neurons, and none."""
    order = np.random.default_rng(3).permutation(len(probe.scale))
    orders = order, order[::-1], np.random.default_rng(4).permutation(order)
    jobs = [(probe, neurons[:count]) for count in (3, 9, 20, 45) for neurons in orders]
    return [(probe, None), *jobs, (probe, np.array([], dtype=np.int64)), (probe, order[:9])]


def _scattered(probe: FittedProbe) -> list[Job]:
    """Return jobs that keep random neurons, no set inside another."""
    rng = np.random.default_rng(5)
    return [(probe, rng.permutation(len(probe.scale))[:30]) for _ in range(8)]


def _logits(values: np.ndarray, jobs: list[Job]) -> np.ndarray:
    """Return the logits of each job by the definition, float64 (jobs, words, labels)."""
    logits = []
    for probe, kept in jobs:
        scaled = (values.astype(np.float64) - probe.shift) / probe.scale
        mask = np.zeros(len(probe.scale))
        mask[slice(None) if kept is None else kept] = 1.0
        logits.append((scaled * mask) @ probe.weights.T + probe.biases)
    return np.array(logits)


def _same(predicted: np.ndarray, logits: np.ndarray, rounding: float) -> None:
    """Check that predicted labels have the highest logits, but for rounding."""
    reached = np.take_along_axis(logits, predicted[:, :, None], axis=2)[:, :, 0]
    assert (reached >= logits.max(axis=2) - rounding).all()


def _set_costs(monkeypatch: pytest.MonkeyPatch, cost: int) -> None:
    """Set the costs of a product that do not depend on its width: with 0, chains are always cheapest."""
    monkeypatch.setattr(predictions, "GATHERING", cost)
    monkeypatch.setattr(predictions, "READING", cost)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("extreme", [False, True])
@pytest.mark.parametrize("share", [0.1, 1.0])
@pytest.mark.parametrize("sets", [_chain, _scattered])
def test_every_job_is_predicted_as_alone(
    kind: type, extreme: bool, share: float, sets: Callable[[FittedProbe], list[Job]]
) -> None:
    probe = _probe(1, share=share, extreme=extreme)
    jobs = sets(probe)
    values = _values(probe, kind)
    _same(predict(values, jobs), _logits(values, jobs), 1e-12 if kind == np.float64 else 1e-4)


@pytest.mark.parametrize("chained", [True, False])
@pytest.mark.parametrize("sets", [_chain, _scattered])
def test_both_kinds_of_steps_give_the_same_logits(
    monkeypatch: pytest.MonkeyPatch, chained: bool, sets: Callable[[FittedProbe], list[Job]]
) -> None:
    _set_costs(monkeypatch, 0 if chained else 10_000)
    jobs = [*sets(_probe(1)), (_probe(2), None), *sets(_probe(3))]
    values = _values(_probe(1), np.float64)
    folded = predictions._folded(jobs, None, NEURONS, np.dtype(np.float64))
    (stack,) = predictions._stacks(folded)
    assert len(stack.steps) == (len(jobs) if chained else 1)
    assert stack.logits(values) == pytest.approx(_logits(values, jobs), abs=1e-11)


def test_a_chain_adds_each_neuron_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _set_costs(monkeypatch, 0)
    probe = _probe(1, share=1.0)
    jobs = [(probe, None), (probe, np.arange(40)), (probe, np.arange(10)), (_probe(2, share=1.0), np.arange(5))]
    (stack,) = predictions._stacks(predictions._folded(jobs, None, NEURONS, np.dtype(np.float32)))
    numbers = [(step.jobs.tolist(), step.base) for step in stack.steps]
    assert numbers == [([3], None), ([2], None), ([1], 2), ([0], 1)]
    assert [0 if step.used is None else len(step.used) for step in stack.steps] == [5, 10, 30, 20]


@pytest.mark.parametrize(("name", "limit"), [("STACK_BYTES", 3 * 8 * NEURONS * LABELS), ("STACKED", 3)])
def test_stacks_have_a_limited_size(monkeypatch: pytest.MonkeyPatch, name: str, limit: int) -> None:
    probe = _probe(1)
    jobs = _chain(probe)
    values = _values(probe, np.float64)
    monkeypatch.setattr(predictions, name, limit)
    stacks = list(predictions._stacks(predictions._folded(jobs, None, NEURONS, np.dtype(np.float64))))
    assert max(len(stack.biases) for stack in stacks) == 3
    _same(predict(values, jobs), _logits(values, jobs), 1e-12)


def test_probes_of_other_neurons_share_a_pass() -> None:
    full = _probe(1, extreme=True)
    values = _values(full)
    rng = np.random.default_rng(6)
    sets = [rng.permutation(NEURONS)[:20] for _ in range(3)]
    probes = [
        FittedProbe(full.weights[:, neurons], full.biases, full.shift[neurons], full.scale[neurons])
        for neurons in sets
    ]
    jobs = [(probe, kept) for probe in probes for kept in (None, np.arange(7))]
    columns = [neurons for neurons in sets for _ in range(2)]
    predicted = predict(values, jobs, columns)
    logits = [_logits(values[:, neurons], [job])[0] for job, neurons in zip(jobs, columns, strict=True)]
    _same(predicted, np.array(logits), 1e-4)


def test_a_scratch_table_is_predicted_as_an_array(tmp_path: Path) -> None:
    probe = _probe(1)
    values = _values(probe)
    table = ScratchTable(values.shape, torch.float32, tmp_path)
    table[:] = torch.from_numpy(values)
    words: list[int] = []
    predicted = predict(table, _chain(probe), advance=words.append)
    assert np.array_equal(predicted, predict(values, _chain(probe)))
    assert sum(words) == WORDS
