"""The Hessian of the weights of all labels, computed at once or extended, and when it serves again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from onegrain.rankings.elastic_net import joint_steps, refinement
from onegrain.rankings.elastic_net.newton import JointModel, NewtonState
from onegrain.rankings.elastic_net.problem import ProbeData

NEURONS, LABELS, WORDS = 12, 4, 500


def weighted_words() -> ProbeData:
    rng = np.random.default_rng(0)
    codes = np.r_[0:LABELS, rng.integers(0, LABELS, WORDS - LABELS)]
    return ProbeData(rng.standard_normal((WORDS, NEURONS)), codes, LABELS, rng.random(WORDS) + 0.1)


def state_of(data: ProbeData) -> NewtonState:
    weights = torch.from_numpy(np.random.default_rng(1).standard_normal((NEURONS, LABELS)))
    return NewtonState(data, (1e-3, 1e-3), weights, torch.zeros(LABELS, dtype=torch.float64))


def second_derivatives(state: NewtonState, data: ProbeData) -> Tensor:
    """Return the Hessian of the loss by automatic differentiation; the weights first, then the biases."""
    inputs, omega = data.block(slice(0, WORDS)), data.omega

    def loss(parameters: Tensor) -> Tensor:
        weights, biases = parameters[: NEURONS * LABELS].view(NEURONS, LABELS), parameters[NEURONS * LABELS :]
        logs = torch.log_softmax(inputs @ weights + biases, 1)
        return -(omega * logs.gather(1, data.targets[:, None])[:, 0]).mean()

    return torch.func.hessian(loss)(torch.cat([state.weights.ravel(), state.biases]))


def in_order(model: JointModel) -> Tensor:
    columns = torch.cat([model.places.ravel(), NEURONS * LABELS + torch.arange(LABELS)])
    return model.hessian[columns][:, columns]


def test_the_hessian_is_that_of_the_loss_also_if_weights_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NewtonState, "left_out", 0.0)
    monkeypatch.setattr(joint_steps, "HESSIAN_BLOCK", 128)
    data = weighted_words()
    state = state_of(data)
    expected = second_derivatives(state, data)
    every = torch.ones(NEURONS, LABELS, dtype=torch.bool)
    some = torch.from_numpy(np.random.default_rng(2).random((NEURONS, LABELS)) < 0.6)
    model = joint_steps._model_of(state, every, 1.0)
    assert torch.allclose(in_order(model), expected, rtol=0.0, atol=1e-14)
    part = joint_steps._model_of(state, some, 1.0)
    assert len(part.hessian) == int(some.sum()) + LABELS
    extended = joint_steps._with_weights(state, part, ~some, 0.5)
    assert torch.allclose(in_order(extended), expected, rtol=0.0, atol=1e-14)


def test_a_hessian_serves_again_after_a_step_that_brought_the_gap_far_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    computed: list[float] = []
    model_of = joint_steps._model_of

    def count(state: NewtonState, working: Tensor, gap: float) -> JointModel:
        computed.append(gap)
        return model_of(state, working, gap)

    monkeypatch.setattr(joint_steps, "_model_of", count)
    monkeypatch.setattr(joint_steps, "COSTLY", 0)
    data = weighted_words()
    start = torch.zeros(NEURONS, LABELS, dtype=torch.float64), torch.zeros(LABELS, dtype=torch.float64)
    refined = refinement.refine(data, (1e-3, 1e-3), start, tolerance=1e-10, max_steps=50)
    assert refined.certificate.gap <= 1e-10
    assert len(computed) < refined.steps
    monkeypatch.setattr(joint_steps, "FALL", 0.0)
    computed.clear()
    again = refinement.refine(data, (1e-3, 1e-3), start, tolerance=1e-10, max_steps=50)
    assert len(computed) == again.steps
    assert torch.allclose(again.weights, refined.weights, atol=1e-4)
