"""The certified phase of the solver: proximal Newton steps on a working set, for one pair of penalties.

A step starts with one pass over the words, which gives the duality gap: only it ends the problem, or the limit
on steps. The *working set* holds the weights that are not zero and those whose slope comes near lambda1. On it
J is replaced by its second-order model, and the model is minimised with its kinks (quadratic.py):

* with at most JOINT weights, by the true Hessian of all labels together, from which the convergence is
  quadratic once the zeros are right;
* else, while the set of weights that are not zero still changes, label by label, in turn, each with the Hessian
  of its own weights, (1/N) X' diag(omega p_l (1 - p_l)) X: the labels of a softmax are coupled weakly, and
  rarely have more than a few hundred weights each;
* else, and without lambda1, on the weights that are not zero, by the true Hessian through conjugate gradients
  (conjugate.py); a weight that would change its sign becomes zero.

Every move is halved until J falls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from onegrain.rankings.lca.conjugate import newton_direction
from onegrain.rankings.lca.duality import Certificate, Point, certify, look
from onegrain.rankings.lca.problem import ProbeData
from onegrain.rankings.lca.quadratic import Quadratic
from onegrain.rankings.lca.stochastic import native_bfloat16

__all__ = ["Refined", "refine"]

JOINT = 2500
NEAR = 0.9
SETTLED = 0.02
ROUNDING = 8.0
SWEEPS = 3
HALVINGS = 30
FISTA_STEPS = 300
NEWTON_STEPS = 12


@dataclass(frozen=True, eq=False)
class Refined:
    """One probe for the scaled neurons, how good it is, and the steps that it took.

    Attributes:
        weights: (neurons, labels).
        biases: (labels,).
        certificate: its objective and gap.
        steps: Newton steps.
    """

    weights: Tensor
    biases: Tensor
    certificate: Certificate
    steps: int


def refine(
    data: ProbeData,
    pair: tuple[float, float],
    start: tuple[Tensor, Tensor],
    *,
    tolerance: float,
    max_steps: int,
) -> Refined:
    """Go on from weights (neurons, labels) and biases (labels,) until the gap is at most ``tolerance``."""
    state = _State(data, pair, *(part.to(data.dtype).clone() for part in start))
    best = state.certificate
    steps = 0
    while steps < max_steps and best.measure() > tolerance:
        steps += 1
        if not state.step():
            break
        before, found = best, state.certificate
        best = replace(found, lower=max(found.lower, before.lower))
        if best.objective >= before.objective and best.measure() > 0.9 * before.measure():
            break
    return Refined(state.weights, state.biases, best, steps)


class _State:
    """The probe as it is, and what one pass over the words saw of it."""

    weights: Tensor
    biases: Tensor
    point: Point

    def __init__(self, data: ProbeData, pair: tuple[float, float], weights: Tensor, biases: Tensor) -> None:
        self.data, self.pair = data, pair
        unit = data.penalty_scale()[:, None]
        self.live = unit > 0.0
        self.l1, self.l2 = pair[0] * unit, pair[1] * unit.square()
        self.changed = 1.0
        self.certificate = self._go(weights, biases)

    def lower(self, weights: Tensor, biases: Tensor, limit: float) -> bool:
        """Go to weights and biases if J is below ``limit`` there."""
        here = self.weights, self.biases, self.point
        found = self._go(weights, biases)
        if found.objective < limit:
            self.certificate = found
            return True
        self.weights, self.biases, self.point = here
        return False

    def _go(self, weights: Tensor, biases: Tensor) -> Certificate:
        self.weights, self.biases = weights, biases - biases.mean()
        (self.point,) = look(self.data, weights[:, None], biases[None])
        return certify(self.data, self.pair, weights, self.point)

    def step(self) -> bool:
        """One Newton step; False where J cannot be lowered any more."""
        slope = self.point.gradient.to(self.data.dtype) + 2.0 * self.l2 * self.weights
        before = self.weights != 0.0
        working = (before | (slope.abs() > NEAR * self.l1)) & self.live
        joint = working
        if int(joint.sum()) > JOINT:
            joint = working & (before | (slope.abs() > self.l1))
        if int(joint.sum()) <= JOINT:
            lowered = _joint_step(self, joint)
        elif self.pair[0] == 0 or self.changed < SETTLED:
            lowered = _conjugate_step(self, slope)
        else:
            lowered = _label_steps(self, working)
        changed = int((before != (self.weights != 0.0)).sum()) / max(int(before.sum()), 1)
        self.changed = changed if self.changed >= SETTLED else 1.0
        return lowered


def _conjugate_step(state: _State, slope: Tensor) -> bool:
    """A Newton step on the weights that are not zero; without lambda1, on all."""
    free = (state.weights != 0.0) if state.pair[0] else state.live.expand_as(state.weights)
    slope = (slope + state.l1 * state.weights.sign()) * free
    direction, turn = newton_direction(state.data, state.point, slope, free, state.l2)
    return _move(state, direction, turn)


def _joint_step(state: _State, working: Tensor) -> bool:
    """Minimise the second-order model of all labels together; then move along it."""
    data, chances = state.data, state.point.probabilities
    columns = working.T.nonzero()
    labels, neurons = columns[:, 0], columns[:, 1]
    size, extra = len(labels), data.n_labels
    total = torch.zeros(size + extra, size + extra, dtype=torch.float64)
    every = torch.cat([labels, torch.arange(extra)])
    blocks = [(every == label).nonzero().ravel() for label in range(extra)]
    for rows in data.rows():
        values, p = data.scaled[rows], chances[rows]
        whole = torch.cat([values[:, neurons], torch.ones(len(values), extra, dtype=data.dtype)], 1)
        spread = torch.cat([p[:, labels], p], 1)
        omega = None if data.omega is None else data.omega[rows, None]
        turned = whole * spread
        found = -((turned if omega is None else turned * omega).T @ turned)
        for label, at in enumerate(blocks):
            part, chance = whole[:, at], p[:, label : label + 1]
            variance = chance * (1.0 - chance) * (1.0 if omega is None else omega)
            found[at[:, None], at] = (part * variance).T @ part
        total += found
    total /= data.n_words
    start = torch.cat([state.weights[neurons, labels], state.biases]).double()
    l1, l2 = (
        torch.cat([table.expand_as(working)[neurons, labels], torch.zeros(extra)]).double()
        for table in (state.l1, state.l2)
    )
    gradient = torch.cat([state.point.gradient[neurons, labels], state.point.slope])
    # biases that all rise together change nothing; this keeps their sum as it is
    total[size:, size:] += 1.0 / extra**2
    model = Quadratic(total, gradient, start, l1, l2)
    first = model.fista(FISTA_STEPS) if state.pair[0] else start
    found = model.newton(first, NEWTON_STEPS)
    direction = torch.zeros_like(state.weights)
    direction[neurons, labels] = (found - start)[:size].to(data.dtype)
    return _move(state, direction, (found - start)[size:].to(data.dtype))


def _move(state: _State, direction: Tensor, turn: Tensor) -> bool:
    """The first of the steps 1, 1/2, ... that lowers J; no weight passes through zero.

    A whole step may leave J as it is, to rounding: at the end only the gradient still shows what is gained.
    """
    eps = torch.finfo(state.data.dtype).eps
    step = 1.0
    for _ in range(HALVINGS):
        weights, biases = state.weights + step * direction, state.biases + step * turn
        crossed = (weights * state.weights < 0.0) & (state.l1 > 0.0)
        weights = torch.where(crossed, torch.zeros_like(weights), weights)
        if state.pair[0] == 0:
            # what all labels share of a neuron changes no probability, and only costs
            weights -= weights.mean(1, keepdim=True)
        if state.lower(weights, biases, state.certificate.objective * (1.0 + (step == 1.0) * ROUNDING * eps)):
            return True
        step /= 2.0
    return False


def _label_steps(state: _State, working: Tensor) -> bool:
    """Sweeps over the labels, each minimising the model of its own weights; biases after every label."""
    data = state.data
    used = working.any(1)
    columns = data.scaled[:, used].T.contiguous()
    rounded = columns.to(torch.bfloat16) if native_bfloat16() and data.dtype == torch.float32 else columns
    logits = data.scaled @ state.weights + state.biases
    sets = [working[used][:, label].nonzero().ravel() for label in range(data.n_labels)]
    omega = torch.ones(data.n_words, dtype=data.dtype) if data.omega is None else data.omega
    labels = [_Label(state, label, at, used) for label, at in enumerate(sets)]
    hessians = []
    for label, at in enumerate(sets):
        p = state.point.probabilities[:, label]
        own = rounded[at]
        curvature = (omega * p * (1.0 - p)).to(own.dtype)
        hessians.append(((own * curvature) @ own.T).to(data.dtype) / data.n_words)
    for _ in range(SWEEPS):
        for one, hessian in zip(labels, hessians, strict=True):
            if len(one.at):
                one.step(columns, hessian, logits, omega)
            one.balance(logits, omega)
    weights = state.weights.clone()
    inside, turned = weights[used], torch.zeros_like(state.biases)
    for one in labels:
        inside[one.at, one.label] = one.weights
        turned[one.label] = one.turned
    weights[used] = inside
    return state.lower(weights, state.biases + turned, state.certificate.objective)


class _Label:
    """The working weights of one label while labels take turns."""

    def __init__(self, state: _State, label: int, at: Tensor, used: Tensor) -> None:
        self.data, self.label, self.at = state.data, label, at
        self.weights = state.weights[used][at, label]
        self.l1, self.l2 = state.l1[used][at, 0], state.l2[used][at, 0]
        self.hot = (state.data.targets == label).to(state.data.dtype)
        self.turned = 0.0

    def step(self, columns: Tensor, hessian: Tensor, logits: Tensor, omega: Tensor) -> None:
        """Minimise the model; move as far as J falls. Adds to this label's logits."""
        own = columns[self.at]
        others = _log_sum_exp_without(logits, self.label)
        here = logits[:, self.label]
        gradient = own @ (omega * (torch.sigmoid(here - others) - self.hot)) / self.data.n_words
        found = Quadratic(hessian, gradient, self.weights, self.l1, self.l2).fista(FISTA_STEPS)
        change = found - self.weights
        along = own.T @ change
        now = self._objective(here, others, self.weights, omega)
        step = 1.0
        for _ in range(HALVINGS // 2):
            moved = self.weights + step * change
            if self._objective(here + step * along, others, moved, omega) < now:
                self.weights = found if step == 1.0 else moved
                logits[:, self.label] += step * along
                return
            step /= 2.0

    def balance(self, logits: Tensor, omega: Tensor) -> None:
        """A Newton step on this label's bias."""
        p = torch.softmax(logits, 1)[:, self.label]
        curvature = float((omega * p * (1.0 - p)).mean())
        turn = -float((omega * (p - self.hot)).mean()) / max(curvature, 1e-8)
        turn = max(-1.0, min(1.0, turn))
        logits[:, self.label] += turn
        self.turned += turn

    def _objective(self, here: Tensor, others: Tensor, weights: Tensor, omega: Tensor) -> float:
        each = torch.nn.functional.softplus(here - others) - self.hot * here
        loss = float((omega * each).sum(dtype=torch.float64)) / self.data.n_words
        return loss + float(self.l1 @ weights.abs() + self.l2 @ weights.square())


def _log_sum_exp_without(logits: Tensor, label: int) -> Tensor:
    """(words,): log sum exp of the other labels' logits."""
    kept = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
    return torch.logsumexp(kept, 1)
