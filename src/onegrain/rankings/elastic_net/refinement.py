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

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.conjugate import newton_direction
from onegrain.rankings.elastic_net.duality import Certificate, Points, certify, evaluate_probes
from onegrain.rankings.elastic_net.problem import BLOCK, Penalties, ProbeData
from onegrain.rankings.elastic_net.quadratic import Quadratic, one_sided
from onegrain.rankings.elastic_net.stochastic import native_bfloat16

__all__ = ["Refined", "refine"]

JOINT = 2500
NEAR = 0.9
SETTLED = 0.02
ROUNDING = 8.0
SWEEPS = 3
HALVINGS = 30
FISTA_STEPS = 300
HESSIAN_BYTES = 2**28
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
    points: Points

    def __init__(self, data: ProbeData, pair: tuple[float, float], weights: Tensor, biases: Tensor) -> None:
        self.data, self.penalties, self.pair = data, Penalties.of(pair), pair
        unit = data.unit.to(data.dtype)[:, None]
        self.live = unit > 0.0
        self.l1, self.l2 = pair[0] * unit, pair[1] * unit.square()
        self.changed = 1.0
        self.certificate = self._go(weights, biases)

    def lower(self, weights: Tensor, biases: Tensor, limit: float) -> bool:
        """Go to weights and biases if J is below ``limit`` there."""
        here = self.weights, self.biases, self.points
        found = self._go(weights, biases)
        if found.objective < limit:
            self.certificate = found
            return True
        self.weights, self.biases, self.points = here
        return False

    def _go(self, weights: Tensor, biases: Tensor) -> Certificate:
        self.weights, self.biases = weights, biases - biases.mean()
        self.points = evaluate_probes(self.data, weights[:, None], biases[None])
        (found,) = certify(self.data, self.penalties, weights[:, None], self.points)
        return found

    def step(self) -> bool:
        """One Newton step; False where J cannot be lowered any more."""
        slope = self.points.gradient[:, 0].to(self.data.dtype) + 2.0 * self.l2 * self.weights
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
    direction, turn = newton_direction(state.data, state.points, slope, free, state.l2)
    return _move(state, direction, turn)


def _joint_step(state: _State, working: Tensor) -> bool:
    """Minimise the second-order model of all labels together; then move along it."""
    data, chances = state.data, state.points.probabilities
    columns = working.T.nonzero()
    labels, neurons = columns[:, 0], columns[:, 1]
    size, extra = len(labels), data.n_labels
    total = data.zeros(size + extra, size + extra)
    every = torch.cat([labels, torch.arange(extra, device=data.device)])
    blocks = [(every == label).nonzero().ravel() for label in range(extra)]
    for rows in data.rows():
        values, p = data.block(rows), chances[rows]
        whole = torch.cat([values[:, neurons], values.new_ones(len(values), extra)], 1)
        spread = torch.cat([p[:, labels], p], 1)
        turned = whole * spread
        found = -(data.weigh(turned, rows).T @ turned)
        for label, at in enumerate(blocks):
            part, chance = whole[:, at], p[:, label : label + 1]
            found[at[:, None], at] = (part * data.weigh(chance * (1.0 - chance), rows)).T @ part
        total += found
    total /= data.n_words
    start = torch.cat([state.weights[neurons, labels], state.biases]).double()
    l1, l2 = (
        torch.cat([table.expand_as(working)[neurons, labels].double(), data.zeros(extra)])
        for table in (state.l1, state.l2)
    )
    gradient = torch.cat([state.points.gradient[neurons, 0, labels], state.points.slope[0]])
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
    used = working.any(1).nonzero().ravel()
    most = int((HESSIAN_BYTES / data.n_labels / data.dtype.itemsize) ** 0.5)
    labels = [
        _Label(state, label, _steepest(state, working[:, label], label, most), used)
        for label in range(data.n_labels)
    ]
    columns = data.memory.table(len(used), data.n_words, data.dtype)
    logits = data.zeros(data.n_words, data.n_labels, dtype=data.dtype)
    kind = torch.bfloat16 if native_bfloat16(data.device) and data.dtype == torch.float32 else data.dtype
    for rows in data.rows():
        block, p = data.block(rows), state.points.probabilities[rows]
        torch.addmm(state.biases, block, state.weights, out=logits[rows])
        block = block[:, used]
        columns[:, rows] = block.T
        curvature, block = data.weigh(p * (1.0 - p), rows).to(kind), block.to(kind)
        for one in labels:
            one.bend(block, curvature[:, one.label])
    for _ in range(SWEEPS):
        for one in labels:
            if len(one.at):
                one.step(columns, logits)
            one.balance(logits)
    weights, turned = state.weights.clone(), torch.zeros_like(state.biases)
    for one in labels:
        weights[used[one.at], one.label] = one.weights
        turned[one.label] = one.turned
    return state.lower(weights, state.biases + turned, state.certificate.objective)


def _steepest(state: _State, working: Tensor, label: int, most: int) -> Tensor:
    """A label's working weights, by index; of more than ``most`` those with the steepest subgradient."""
    found = working.nonzero().ravel()
    if len(found) <= most:
        return found
    weights = state.weights[found, label]
    slope = state.points.gradient[found, 0, label].to(weights.dtype) + 2.0 * state.l2[found, 0] * weights
    chosen = one_sided(slope, weights, state.l1[found, 0]).abs().topk(most).indices
    return found[chosen.sort().values]


class _Label:
    """The working weights of one label while labels take turns; ``at``: their places among the used neurons."""

    def __init__(self, state: _State, label: int, neurons: Tensor, used: Tensor) -> None:
        self.data, self.label = state.data, label
        self.at = torch.searchsorted(used, neurons)
        self.weights = state.weights[neurons, label]
        self.l1, self.l2 = state.l1[neurons, 0], state.l2[neurons, 0]
        self.hot = (state.data.targets == label).to(state.data.dtype)
        self.hessian = state.data.zeros(len(neurons), len(neurons), dtype=state.data.dtype)
        self.turned = 0.0

    def bend(self, block: Tensor, curvature: Tensor) -> None:
        """Add what some words, (words, used), have to the Hessian."""
        own = block[:, self.at]
        self.hessian += ((own * curvature[:, None]).T @ own).div_(self.data.n_words)

    def step(self, columns: Table, logits: Tensor) -> None:
        """Minimise the model; move as far as J falls. Adds to this label's logits."""
        others = _log_sum_exp_without(logits, self.label)
        here = logits[:, self.label].clone()
        residual = self._weigh(torch.sigmoid(here - others) - self.hot) / self.data.n_words
        parts = self.at.split(max(1, BLOCK * self.data.n_neurons // self.data.n_words))
        gradient = torch.cat([columns[part] @ residual for part in parts])
        found = Quadratic(self.hessian, gradient, self.weights, self.l1, self.l2).fista(FISTA_STEPS)
        change = found - self.weights
        along, first = torch.zeros_like(here), 0
        for part in parts:
            along += change[first : first + len(part)] @ columns[part]
            first += len(part)
        now = self._objective(here, others, self.weights)
        step = 1.0
        for _ in range(HALVINGS // 2):
            moved = self.weights + step * change
            if self._objective(here + step * along, others, moved) < now:
                self.weights = found if step == 1.0 else moved
                logits[:, self.label] += step * along
                return
            step /= 2.0

    def balance(self, logits: Tensor) -> None:
        """A Newton step on this label's bias."""
        p = torch.softmax(logits, 1)[:, self.label]
        curvature = float(self._weigh(p * (1.0 - p)).mean())
        turn = -float(self._weigh(p - self.hot).mean()) / max(curvature, 1e-8)
        turn = max(-1.0, min(1.0, turn))
        logits[:, self.label] += turn
        self.turned += turn

    def _objective(self, here: Tensor, others: Tensor, weights: Tensor) -> float:
        each = torch.nn.functional.softplus(here - others) - self.hot * here
        loss = float(self._weigh(each).sum(dtype=torch.float64)) / self.data.n_words
        return loss + float(self.l1 @ weights.abs() + self.l2 @ weights.square())

    def _weigh(self, each: Tensor) -> Tensor:
        return each if self.data.omega is None else each * self.data.omega


def _log_sum_exp_without(logits: Tensor, label: int) -> Tensor:
    """(words,): log sum exp of the other labels' logits."""
    kept = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
    return torch.logsumexp(kept, 1)
