"""Minimise the penalised loss label by label, each with the Hessian of its own weights.

The labels of a softmax are coupled weakly, and rarely have more than a few hundred weights each. For label l
the Hessian is (1/N) X' diag(omega p_l (1 - p_l)) X, computed from the words that make up nearly all of it
(curvature.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.newton import LabelBlock, NewtonState
from onegrain.rankings.elastic_net.problem import BLOCK
from onegrain.rankings.elastic_net.quadratic import Quadratic, one_sided
from onegrain.rankings.elastic_net.stochastic import native_bfloat16

__all__ = ["HESSIAN_BYTES", "label_steps"]

SWEEPS = 3
HALVINGS = 15
ROUGH = 0.03
"""The share of the curvature that the models of the first steps leave out, if there is lambda2."""
COPIED = 0.7
"""Share of a block's words below which the curved ones are copied out of it."""
HESSIAN_BYTES = 2**28


def label_steps(state: NewtonState, working: Tensor) -> bool:
    """Sweep over the labels; minimise the model of one label at a time, then update its bias."""
    words = state.words
    used = working.any(1).nonzero().ravel()
    most = int((HESSIAN_BYTES / words.n_labels / words.dtype.itemsize) ** 0.5)
    problems = [
        _LabelProblem(state, label, _steepest_weights(state, working[:, label], label, most), used)
        for label in range(words.n_labels)
    ]
    columns = words.memory.table(len(used), words.n_words, words.dtype)
    logits = words.zeros(words.n_words, words.n_labels, dtype=words.dtype)
    kind = torch.bfloat16 if native_bfloat16(words.device) and words.dtype == torch.float32 else words.dtype
    left_out = ROUGH if state.last is None and state.pair[1] > 0.0 else state.left_out
    curved = curved_words(words, state.points.probabilities[: words.n_words], left_out)
    weights = state.weights[used]
    for rows in words.rows():
        block, p = words.block(rows).index_select(1, used), state.points.probabilities[rows]
        torch.addmm(state.biases, block, weights, out=logits[rows])
        columns[:, rows] = block.T
        curvature, block = words.weigh(p * (1.0 - p), rows).to(kind), block.to(kind)
        for problem in problems:
            problem.add_curvature(block, curvature[:, problem.label], curved[rows, problem.label])
    for _ in range(SWEEPS):
        for problem in problems:
            if len(problem.columns):
                problem.step(columns, logits)
            problem.balance(logits)
    weights, bias_changes = state.weights.clone(), torch.zeros_like(state.biases)
    for problem in problems:
        weights[used[problem.columns], problem.label] = problem.weights
        bias_changes[problem.label] = problem.bias_change
    state.blocks = [LabelBlock(problem.label, used[problem.columns], problem.hessian) for problem in problems]
    return state.lower(weights, state.biases + bias_changes, state.certificate.objective)


def _steepest_weights(state: NewtonState, working: Tensor, label: int, most: int) -> Tensor:
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

    def __init__(self, state: NewtonState, label: int, neurons: Tensor, used: Tensor) -> None:
        self.words, self.label = state.words, label
        self.columns = torch.searchsorted(used, neurons)
        self.weights = state.weights[neurons, label]
        self.l1, self.l2 = state.l1[neurons, 0], state.l2[neurons, 0]
        self.hot = (state.words.targets == label).to(state.words.dtype)
        self.hessian = state.words.zeros(len(neurons), len(neurons), dtype=state.words.dtype)
        self.bias_change = 0.0

    def add_curvature(self, block: Tensor, curvature: Tensor, curved: Tensor) -> None:
        """Add what the curved ones of some words, (words, used), contribute to the Hessian."""
        inputs = block.index_select(1, self.columns)
        chosen = curved.nonzero().ravel()
        if len(chosen) < COPIED * len(inputs):
            inputs, curvature = inputs[chosen], curvature[chosen]
        else:
            curvature = curvature * curved
        self.hessian += ((inputs * curvature[:, None]).T @ inputs).div_(self.words.n_words)

    def step(self, neuron_columns: Table, logits: Tensor) -> None:
        """Minimise the model, move as far as J falls, and update this label's logits."""
        others = _log_sum_exp_without(logits, self.label)
        label_logits = logits[:, self.label].clone()
        residual = self._weigh(torch.sigmoid(label_logits - others) - self.hot) / self.words.n_words
        parts = self.columns.split(max(1, BLOCK * self.words.n_neurons // self.words.n_words))
        gradient = torch.cat([neuron_columns[part] @ residual for part in parts])
        solution = Quadratic(self.hessian, gradient, self.weights, self.l1, self.l2).descend()
        change = solution - self.weights
        logit_change, first = torch.zeros_like(label_logits), 0
        for part in parts:
            logit_change += change[first : first + len(part)] @ neuron_columns[part]
            first += len(part)
        objective = self._objective(label_logits, others, self.weights)
        step = 1.0
        for _ in range(HALVINGS):
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
        loss = float(self._weigh(word_losses).sum(dtype=torch.float64)) / self.words.n_words
        return loss + float(self.l1 @ weights.abs() + self.l2 @ weights.square())

    def _weigh(self, per_word: Tensor) -> Tensor:
        return per_word if self.words.omega is None else per_word * self.words.omega


def _log_sum_exp_without(logits: Tensor, label: int) -> Tensor:
    """Return the log sum exp of the other labels' logits, (words,)."""
    kept = torch.cat([logits[:, :label], logits[:, label + 1 :]], 1)
    return torch.logsumexp(kept, 1)
