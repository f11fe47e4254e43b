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
* Otherwise, with lambda1, label by label in turn (label_steps.py), which finds the weights that are zero, and
  in the next step on the others, by the true Hessian through conjugate gradients (conjugate.py). A weight that
  would change its sign becomes zero. Conjugate gradients that bring J down by little wait for the zeros to
  settle. They follow one another while no zero has a slope above lambda1.
* Without lambda1, by conjugate gradients.

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
from onegrain.rankings.elastic_net.newton import ROUNDING, LastStep, NewtonState, move
from onegrain.rankings.elastic_net.problem import Words
from onegrain.rankings.elastic_net.screening import SelectedNeurons, working_neurons

__all__ = ["JOINT", "Refined", "refine"]

JOINT = 2500
"""Most weights of a step by the Hessian of all labels together."""
FEW = 1200
"""With more weights, such a step leaves out those at zero whose slope is only near lambda1."""
NEAR = 0.9
CLOSE = 0.1
"""Gap of a probe whose zeros are nearly right, so that its first step is one by conjugate gradients."""
USEFUL = 0.7
"""Conjugate gradients follow each step by label while they take this share of what the next one does from J."""
SETTLED = 0.02
"""Conjugate gradients follow a step by label that changed a smaller share of the zeros in any case."""
STEP = 300.0
"""What a step costs for each word and weight of its neurons, beside Hessians: tables, passes and sweeps."""
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
        work: multiplications and additions of these steps, roughly.
    """

    weights: Tensor
    biases: Tensor
    certificate: Certificate
    steps: int
    work: float = 0.0


def refine(
    words: Words,
    pair: tuple[float, float],
    start: tuple[Tensor, Tensor],
    *,
    tolerance: float,
    max_steps: int,
    most_work: float = float("inf"),
) -> Refined:
    """Continue from weights (neurons, labels) and biases (labels,) until the gap is at most ``tolerance``.

    The result is never worse than the start. ``max_steps`` and ``most_work`` limit the steps and their
    multiplications and additions.
    """
    state = NewtonState(words, pair, *(part.to(words.dtype).clone() for part in start))
    first = Refined(state.weights, state.biases, state.certificate, 0)
    best = state.certificate
    steps = 0
    while steps < max_steps and best.measure() > tolerance and state.work < most_work:
        inner_tolerance = max(0.5 * tolerance, INNER_GAP * best.gap)
        limits = max_steps - steps, most_work - state.work
        taken = _solve_working_set(state, inner_tolerance, limits, truncate=steps == 0)
        if not taken and not _step(state):
            break
        steps += max(1, taken)
        before, certificate = best, state.certificate
        best = replace(certificate, lower=max(certificate.lower, before.lower))
        stalled = best.objective >= before.objective and best.measure() > 0.9 * before.measure()
        if stalled and steps > taken:
            break
    if best.objective > first.certificate.objective:
        lower = replace(first.certificate, lower=best.lower)
        return replace(first, certificate=lower, steps=steps, work=state.work)
    return Refined(state.weights, state.biases, best, steps, state.work)


def _solve_working_set(
    state: NewtonState, tolerance: float, limits: tuple[int, float], *, truncate: bool
) -> int:
    """Solve the problem on the neurons that may matter, if they are few, and move to the solution.

    ``limits`` are those on steps and work.

    Returns:
        The number of Newton steps; 0 if the state did not move.
    """
    neurons = working_neurons(state, truncate=truncate)
    if neurons is None:
        return 0
    start = state.weights[neurons], state.biases
    selected = SelectedNeurons(state.words, neurons)
    refined = refine(selected, state.pair, start, tolerance=tolerance, max_steps=limits[0], most_work=limits[1])
    state.work += refined.work
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
    if int(joint.sum()) > FEW:
        joint = working & (nonzero_before | (slope.abs() > state.l1))
    if int(joint.sum()) <= JOINT:
        state.work += 2.0 * state.words.n_words * int(joint.sum()) ** 2
        return joint_step(state, joint)
    state.work += STEP * state.words.n_words * int(working.any(1).sum()) * state.words.n_labels
    before, by_label = state.certificate.objective, _goes_by_label(state)
    lowered = label_steps(state, working) if by_label else _conjugate_step(state, slope)
    if not lowered and state.pair[0] > 0.0:
        by_label = not by_label
        lowered = label_steps(state, working) if by_label else _conjugate_step(state, slope)
    if by_label:
        state.work += state.words.n_words * float(working.sum(0, dtype=torch.float64).square().sum())
    changed = int((nonzero_before != (state.weights != 0.0)).sum()) / max(int(nonzero_before.sum()), 1)
    step = LastStep(by_label, before - state.certificate.objective, changed)
    if by_label and state.last is not None and not state.last.by_label:
        state.useful = state.last.fall >= USEFUL * step.fall
    state.last = step
    return lowered


def _goes_by_label(state: NewtonState) -> bool:
    """Return True if the next step should go label by label, to find the weights that are zero."""
    last = state.last
    if state.pair[0] == 0.0:
        return False
    if last is None:
        return state.certificate.gap > CLOSE or not bool(state.weights.any())
    if last.by_label:
        return not state.useful and last.changed >= SETTLED
    return bool(((state.weights == 0.0) & (state.slope().abs() > state.l1)).any())


def _conjugate_step(state: NewtonState, slope: Tensor) -> bool:
    """Take a Newton step on the weights that are not zero, or without lambda1 on all."""
    free = state.live & (state.weights != 0.0) if state.pair[0] else state.live.expand_as(state.weights)
    slope = (slope + state.l1 * state.weights.sign()) * free
    direction, bias_direction = newton_direction(state, slope, free)
    return move(state, direction, bias_direction)
