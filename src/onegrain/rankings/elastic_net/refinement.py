"""The certified phase of the solver: proximal Newton steps on a working set, for one pair of penalties.

A step starts with one pass over the words, which gives the duality gap. A problem ends when its gap reaches the
tolerance, at the limit on steps, or when J no longer falls. The *working set* holds the weights that are not
zero and those whose slope is near lambda1. On it, J is replaced by its second-order model, which is minimised
with its kinks (quadratic.py):

* With at most JOINT weights, by the true Hessian of all labels together. Convergence is quadratic once the
  zeros are right.
* Otherwise, while the set of weights that are not zero still changes, label by label in turn, each with the
  Hessian of that label's weights, (1/N) X' diag(omega p_l (1 - p_l)) X. The labels of a softmax are coupled
  weakly, and rarely have more than a few hundred weights each.
* Otherwise, and without lambda1, on the weights that are not zero, by the true Hessian through conjugate
  gradients (conjugate.py). A weight that would change its sign becomes zero.

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
        certificate: the probe's objective and gap.
        steps: number of Newton steps.
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
    """Continue from weights (neurons, labels) and biases (labels,) until the gap is at most ``tolerance``."""
    state = _NewtonState(data, pair, *(part.to(data.dtype).clone() for part in start))
    best = state.certificate
    steps = 0
    while steps < max_steps and best.measure() > tolerance:
        steps += 1
        if not state.step():
            break
        before, certificate = best, state.certificate
        best = replace(certificate, lower=max(certificate.lower, before.lower))
        if best.objective >= before.objective and best.measure() > 0.9 * before.measure():
            break
    return Refined(state.weights, state.biases, best, steps)


class _NewtonState:
    """The present probe, and what one pass over the words measured of it.

    Attributes:
        live: bool (neurons, 1), False for a constant neuron.
        l1: (neurons, 1), lambda1 for the scaled neurons; ``l2`` the same for lambda2.
        changed: share of the weights that became or ceased to be zero in the last step.
    """

    weights: Tensor
    biases: Tensor
    points: Points

    def __init__(self, data: ProbeData, pair: tuple[float, float], weights: Tensor, biases: Tensor) -> None:
        self.data, self.penalties, self.pair = data, Penalties.of(pair), pair
        unit = data.unit.to(data.dtype)[:, None]
        self.live = unit > 0.0
        self.l1, self.l2 = pair[0] * unit, pair[1] * unit.square()
        self.changed = 1.0
        self.certificate = self._move_to(weights, biases)

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
        self.points = evaluate_probes(self.data, weights[:, None], biases[None])
        (certificate,) = certify(self.data, self.penalties, weights[:, None], self.points)
        return certificate

    def step(self) -> bool:
        """Take one Newton step; return False if J cannot be lowered any more."""
        slope = self.points.gradient[:, 0].to(self.data.dtype) + 2.0 * self.l2 * self.weights
        nonzero_before = self.weights != 0.0
        working = (nonzero_before | (slope.abs() > NEAR * self.l1)) & self.live
        joint = working
        if int(joint.sum()) > JOINT:
            joint = working & (nonzero_before | (slope.abs() > self.l1))
        if int(joint.sum()) <= JOINT:
            lowered = _joint_step(self, joint)
        elif self.pair[0] == 0 or self.changed < SETTLED:
            lowered = _conjugate_step(self, slope)
        else:
            lowered = _label_steps(self, working)
        changed = int((nonzero_before != (self.weights != 0.0)).sum()) / max(int(nonzero_before.sum()), 1)
        self.changed = changed if self.changed >= SETTLED else 1.0
        return lowered


def _conjugate_step(state: _NewtonState, slope: Tensor) -> bool:
    """Take a Newton step on the weights that are not zero, or without lambda1 on all."""
    free = (state.weights != 0.0) if state.pair[0] else state.live.expand_as(state.weights)
    slope = (slope + state.l1 * state.weights.sign()) * free
    direction, bias_direction = newton_direction(state.data, state.points, slope, free, state.l2)
    return _move(state, direction, bias_direction)


def _joint_step(state: _NewtonState, working: Tensor) -> bool:
    """Minimise the second-order model of all labels together, and move towards its minimum."""
    data, chances = state.data, state.points.probabilities
    columns = working.T.nonzero()
    labels, neurons = columns[:, 0], columns[:, 1]
    size, extra = len(labels), data.n_labels
    total = data.zeros(size + extra, size + extra)
    column_labels = torch.cat([labels, torch.arange(extra, device=data.device)])
    blocks = [(column_labels == label).nonzero().ravel() for label in range(extra)]
    for rows in data.rows():
        values, p = data.block(rows), chances[rows]
        inputs = torch.cat([values[:, neurons], values.new_ones(len(values), extra)], 1)
        column_chances = torch.cat([p[:, labels], p], 1)
        weighted = inputs * column_chances
        part_hessian = -(data.weigh(weighted, rows).T @ weighted)
        for label, places in enumerate(blocks):
            part, chance = inputs[:, places], p[:, label : label + 1]
            part_hessian[places[:, None], places] = (part * data.weigh(chance * (1.0 - chance), rows)).T @ part
        total += part_hessian
    total /= data.n_words
    start = torch.cat([state.weights[neurons, labels], state.biases]).double()
    l1, l2 = (
        torch.cat([table.expand_as(working)[neurons, labels].double(), data.zeros(extra)])
        for table in (state.l1, state.l2)
    )
    gradient = torch.cat([state.points.gradient[neurons, 0, labels], state.points.slope[0]])
    # adding a constant to all biases changes nothing; this term keeps their sum constant
    total[size:, size:] += 1.0 / extra**2
    model = Quadratic(total, gradient, start, l1, l2)
    sparse_start = model.fista(FISTA_STEPS) if state.pair[0] else start
    solution = model.newton(sparse_start, NEWTON_STEPS)
    direction = torch.zeros_like(state.weights)
    direction[neurons, labels] = (solution - start)[:size].to(data.dtype)
    return _move(state, direction, (solution - start)[size:].to(data.dtype))


def _move(state: _NewtonState, direction: Tensor, bias_direction: Tensor) -> bool:
    """Take the first of the steps 1, 1/2, ... that lowers J; no weight passes through zero.

    A full step may leave J unchanged, to rounding: near the end only the gradient still shows progress.
    """
    eps = torch.finfo(state.data.dtype).eps
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


def _label_steps(state: _NewtonState, working: Tensor) -> bool:
    """Sweep over the labels; minimise the model of one label at a time, then update its bias."""
    data = state.data
    used = working.any(1).nonzero().ravel()
    most = int((HESSIAN_BYTES / data.n_labels / data.dtype.itemsize) ** 0.5)
    problems = [
        _LabelProblem(state, label, _steepest_weights(state, working[:, label], label, most), used)
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
        for problem in problems:
            problem.add_curvature(block, curvature[:, problem.label])
    for _ in range(SWEEPS):
        for problem in problems:
            if len(problem.columns):
                problem.step(columns, logits)
            problem.balance(logits)
    weights, bias_changes = state.weights.clone(), torch.zeros_like(state.biases)
    for problem in problems:
        weights[used[problem.columns], problem.label] = problem.weights
        bias_changes[problem.label] = problem.bias_change
    return state.lower(weights, state.biases + bias_changes, state.certificate.objective)


def _steepest_weights(state: _NewtonState, working: Tensor, label: int, most: int) -> Tensor:
    """Return a label's working weights, by index; of more than ``most``, those of the steepest subgradient."""
    candidates = working.nonzero().ravel()
    if len(candidates) <= most:
        return candidates
    weights = state.weights[candidates, label]
    slope = (
        state.points.gradient[candidates, 0, label].to(weights.dtype) + 2.0 * state.l2[candidates, 0] * weights
    )
    chosen = one_sided(slope, weights, state.l1[candidates, 0]).abs().topk(most).indices
    return candidates[chosen.sort().values]


class _LabelProblem:
    """The working weights of one label, while labels take turns.

    Attributes:
        columns: int64 (n,), their columns among the used neurons.
        weights: (n,).
        hessian: (n, n), the Hessian of this label's weights.
        bias_change: by how much the bias has changed.
    """

    def __init__(self, state: _NewtonState, label: int, neurons: Tensor, used: Tensor) -> None:
        self.data, self.label = state.data, label
        self.columns = torch.searchsorted(used, neurons)
        self.weights = state.weights[neurons, label]
        self.l1, self.l2 = state.l1[neurons, 0], state.l2[neurons, 0]
        self.hot = (state.data.targets == label).to(state.data.dtype)
        self.hessian = state.data.zeros(len(neurons), len(neurons), dtype=state.data.dtype)
        self.bias_change = 0.0

    def add_curvature(self, block: Tensor, curvature: Tensor) -> None:
        """Add what some words, (words, used), contribute to the Hessian."""
        inputs = block[:, self.columns]
        self.hessian += ((inputs * curvature[:, None]).T @ inputs).div_(self.data.n_words)

    def step(self, neuron_columns: Table, logits: Tensor) -> None:
        """Minimise the model, move as far as J falls, and update this label's logits."""
        others = _log_sum_exp_without(logits, self.label)
        label_logits = logits[:, self.label].clone()
        residual = self._weigh(torch.sigmoid(label_logits - others) - self.hot) / self.data.n_words
        parts = self.columns.split(max(1, BLOCK * self.data.n_neurons // self.data.n_words))
        gradient = torch.cat([neuron_columns[part] @ residual for part in parts])
        solution = Quadratic(self.hessian, gradient, self.weights, self.l1, self.l2).fista(FISTA_STEPS)
        change = solution - self.weights
        logit_change, first = torch.zeros_like(label_logits), 0
        for part in parts:
            logit_change += change[first : first + len(part)] @ neuron_columns[part]
            first += len(part)
        objective = self._objective(label_logits, others, self.weights)
        step = 1.0
        for _ in range(HALVINGS // 2):
            moved = self.weights + step * change
            if self._objective(label_logits + step * logit_change, others, moved) < objective:
                self.weights = solution if step == 1.0 else moved
                logits[:, self.label] += step * logit_change
                return
            step /= 2.0

    def balance(self, logits: Tensor) -> None:
        """Take a Newton step on this label's bias."""
        p = torch.softmax(logits, 1)[:, self.label]
        curvature = float(self._weigh(p * (1.0 - p)).mean())
        bias_step = -float(self._weigh(p - self.hot).mean()) / max(curvature, 1e-8)
        bias_step = max(-1.0, min(1.0, bias_step))
        logits[:, self.label] += bias_step
        self.bias_change += bias_step

    def _objective(self, label_logits: Tensor, others: Tensor, weights: Tensor) -> float:
        word_losses = torch.nn.functional.softplus(label_logits - others) - self.hot * label_logits
        loss = float(self._weigh(word_losses).sum(dtype=torch.float64)) / self.data.n_words
        return loss + float(self.l1 @ weights.abs() + self.l2 @ weights.square())

    def _weigh(self, per_word: Tensor) -> Tensor:
        return per_word if self.data.omega is None else per_word * self.data.omega


def _log_sum_exp_without(logits: Tensor, label: int) -> Tensor:
    """Return the log sum exp of the other labels' logits, (words,)."""
    kept = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
    return torch.logsumexp(kept, 1)
