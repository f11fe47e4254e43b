"""Hold the probe that Newton steps improve, for one pair of penalties, and move it while J falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.duality import Certificate, Points, certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import Penalties, Words
from onegrain.rankings.elastic_net.stochastic import native_bfloat16

__all__ = ["ROUNDING", "LabelBlock", "LastStep", "NewtonState", "move"]

ROUNDING = 8.0
HALVINGS = 30
LEFT_OUT = 1e-3
PASS = 25.0
"""What a pass over the words costs for each word and weight: it is bound by memory."""


@dataclass(frozen=True, eq=False)
class LabelBlock:
    """The Hessian of some weights of one label, without lambda2.

    Attributes:
        label: the label.
        neurons: int64 (n,), the neurons of the weights, ascending.
        hessian: (n, n).
    """

    label: int
    neurons: Tensor
    hessian: Tensor


@dataclass(frozen=True)
class LastStep:
    """The last step by label or by conjugate gradients.

    Attributes:
        by_label: True if it went label by label.
        fall: by how much J fell.
        changed: share of the weights that became or ceased to be zero.
    """

    by_label: bool
    fall: float
    changed: float


class NewtonState:
    """The present probe, and what one pass over the words measured of it.

    Attributes:
        live: bool (neurons, 1), False for a constant neuron.
        l1: (neurons, 1), lambda1 for the scaled neurons; ``l2`` the same for lambda2.
        blocks: the Hessian of each label's weights at an earlier probe, if label steps were taken.
        work: multiplications and additions so far, roughly, in those that large products take.
        last: the last step by label or by conjugate gradients.
        joint_steps: number of steps on the weights of all labels together.
        exact: True if rough models of these steps were not good enough.
        useful: False if conjugate gradients brought J down by far less than the step by label after them.
    """

    weights: Tensor
    biases: Tensor
    points: Points
    blocks: Sequence[LabelBlock] = ()
    last: LastStep | None = None
    useful: bool = True
    work: float = 0.0
    joint_steps: int = 0
    exact: bool = False

    def __init__(self, words: Words, pair: tuple[float, float], weights: Tensor, biases: Tensor) -> None:
        self.words, self.penalties, self.pair = words, Penalties.of(pair), pair
        unit = words.unit.to(words.dtype)[:, None]
        self.live = unit > 0.0
        self.l1, self.l2 = pair[0] * unit, pair[1] * unit.square()
        self.certificate = self._move_to(weights, biases)

    def slope(self) -> Tensor:
        """Return the derivatives of J without its absolute values by the weights, (neurons, labels)."""
        return self.points.gradient[:, 0].to(self.words.dtype) + 2.0 * self.l2 * self.weights

    @property
    def left_out(self) -> float:
        """Share of the curvature that a model may leave out: no more than the gap, so that steps stay exact."""
        return min(LEFT_OUT, max(0.0, self.certificate.measure()))

    def is_rough(self, least_gap: float) -> bool:
        """Return whether the products of a model may be bfloat16: above a gap, where the processor has it."""
        far = any(self.pair) and self.certificate.gap > least_gap
        return far and self.words.dtype == torch.float32 and native_bfloat16(self.words.device)

    def lower(self, weights: Tensor, biases: Tensor, limit: float) -> bool:
        """Move to weights and biases if J is below ``limit`` there; return True if so."""
        previous = self.weights, self.biases, self.points
        certificate = self._move_to(weights, biases)
        if certificate.objective < limit:
            self.certificate = certificate
            return True
        self.weights, self.biases, self.points = previous
        return False

    def _move_to(self, weights: Tensor, biases: Tensor) -> Certificate:
        """Move to weights and biases, and certify them in one pass over the words."""
        self.weights, self.biases = weights, biases - biases.mean()
        self.work += PASS * self.words.n_words * weights.numel()
        self.points = evaluate_probes(self.words, weights[:, None], biases[None])
        (certificate,) = certify(self.words, self.penalties, weights[:, None], self.points)
        return certificate


def move(state: NewtonState, direction: Tensor, bias_direction: Tensor) -> bool:
    """Take the first of the steps 1, 1/2, ... that lowers J; no weight passes through zero.

    A full step may leave J unchanged, to rounding: near the end only the gradient still shows progress.
    """
    eps = torch.finfo(state.words.dtype).eps
    step = 1.0
    for _ in range(HALVINGS):
        weights, biases = state.weights + step * direction, state.biases + step * bias_direction
        crossed = (weights * state.weights < 0.0) & (state.l1 > 0.0)
        weights = torch.where(crossed, torch.zeros_like(weights), weights)
        if state.pair[0] == 0:
            # a weight that all labels share changes no probability, and only adds to the penalty
            weights -= weights.mean(1, keepdim=True)
        if state.lower(weights, biases, state.certificate.objective * (1.0 + (step == 1.0) * ROUNDING * eps)):
            return True
        step /= 2.0
    return False
