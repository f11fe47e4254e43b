"""The certified phase of the solver: proximal Newton steps on a working set, for one pair of penalties.

A step starts with one pass over the words, which gives the duality gap. A problem ends when its gap reaches
the tolerance, at the limit on steps, or when J no longer falls.

With lambda1, few of many neurons have a weight. These and the neurons with the steepest slopes are copied to a
table of their own (screening.py), and the problem is solved on them by the same steps. A pass over all neurons
then certifies the result and finds the neurons that still need a weight.

A step itself works on the weights that are not zero and those whose slope is near lambda1. On them, J is
replaced by its second-order model, which is minimised with its kinks (quadratic.py):

* With at most JOINT weights, by the true Hessian of all labels together (joint_steps.py). Convergence is
  quadratic once the zeros are right.
* Otherwise, while the set of weights that are not zero still changes, label by label in turn
  (label_steps.py).
* Otherwise, and without lambda1, on the weights that are not zero, by the true Hessian through conjugate
  gradients (conjugate.py). A weight that would change its sign becomes zero.

Every move is halved until J falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.conjugate import newton_direction
from onegrain.rankings.elastic_net.duality import Certificate
from onegrain.rankings.elastic_net.joint_steps import joint_step
from onegrain.rankings.elastic_net.label_steps import label_steps
from onegrain.rankings.elastic_net.newton import ROUNDING, NewtonState, move
from onegrain.rankings.elastic_net.problem import Words
from onegrain.rankings.elastic_net.screening import SelectedNeurons, working_neurons

__all__ = ["JOINT", "Refined", "refine"]

JOINT = 2500
NEAR = 0.9
SETTLED = 0.02
INNER_GAP = 0.1
"""Gap to which a working set of neurons is solved, as a share of the gap on all neurons."""


@dataclass(frozen=True, eq=False)
class Refined:
    """One probe for the scaled neurons, how good it is, and the steps that it took.

    Attributes:
        weights: (neurons, labels).
        biases: (labels,).
        certificate: the probe's objective and gap.
        steps: number of Newton steps.
    """

    weights: Tensor
    biases: Tensor
    certificate: Certificate
    steps: int


def refine(
    words: Words,
    pair: tuple[float, float],
    start: tuple[Tensor, Tensor],
    *,
    tolerance: float,
    max_steps: int,
) -> Refined:
    """Continue from weights (neurons, labels) and biases (labels,) until the gap is at most ``tolerance``.

    The result is never worse than the start.
    """
    state = NewtonState(words, pair, *(part.to(words.dtype).clone() for part in start))
    first = Refined(state.weights, state.biases, state.certificate, 0)
    best = state.certificate
    steps = 0
    while steps < max_steps and best.measure() > tolerance:
        inner_tolerance = max(0.5 * tolerance, INNER_GAP * best.gap)
        taken = _solve_working_set(state, inner_tolerance, max_steps - steps, truncate=steps == 0)
        if not taken and not _step(state):
            break
        steps += max(1, taken)
        before, certificate = best, state.certificate
        best = replace(certificate, lower=max(certificate.lower, before.lower))
        stalled = best.objective >= before.objective and best.measure() > 0.9 * before.measure()
        if stalled and steps > taken:
            break
    if best.objective > first.certificate.objective:
        return replace(first, certificate=replace(first.certificate, lower=best.lower), steps=steps)
    return Refined(state.weights, state.biases, best, steps)


def _solve_working_set(state: NewtonState, tolerance: float, max_steps: int, *, truncate: bool) -> int:
    """Solve the problem on the neurons that may matter, if they are few, and move to the solution.

    Returns:
        The number of Newton steps; 0 if the state did not move.
    """
    neurons = working_neurons(state, truncate=truncate)
    if neurons is None:
        return 0
    start = state.weights[neurons], state.biases
    refined = refine(
        SelectedNeurons(state.words, neurons), state.pair, start, tolerance=tolerance, max_steps=max_steps
    )
    weights = torch.zeros_like(state.weights)
    weights[neurons] = refined.weights
    limit = state.certificate.objective * (1.0 + ROUNDING * torch.finfo(state.words.dtype).eps)
    if int((start[0] != 0.0).sum()) < int((state.weights != 0.0).sum()):
        limit = float("inf")  # J may rise at first without the weights that were left out
    return refined.steps if state.lower(weights, refined.biases, limit) else 0


def _step(state: NewtonState) -> bool:
    """Take one Newton step; return False if J cannot be lowered any more."""
    slope = state.slope()
    nonzero_before = state.weights != 0.0
    working = (nonzero_before | (slope.abs() > NEAR * state.l1)) & state.live
    joint = working
    if int(joint.sum()) > JOINT:
        joint = working & (nonzero_before | (slope.abs() > state.l1))
    if int(joint.sum()) <= JOINT:
        lowered = joint_step(state, joint)
    elif state.pair[0] == 0 or state.changed < SETTLED:
        lowered = _conjugate_step(state, slope)
    else:
        lowered = label_steps(state, working)
    changed = int((nonzero_before != (state.weights != 0.0)).sum()) / max(int(nonzero_before.sum()), 1)
    state.changed = changed if state.changed >= SETTLED else 1.0
    return lowered


def _conjugate_step(state: NewtonState, slope: Tensor) -> bool:
    """Take a Newton step on the weights that are not zero, or without lambda1 on all."""
    free = (state.weights != 0.0) if state.pair[0] else state.live.expand_as(state.weights)
    slope = (slope + state.l1 * state.weights.sign()) * free
    direction, bias_direction = newton_direction(
        state.words, state.points, slope, free, state.l2, state.left_out
    )
    return move(state, direction, bias_direction)
