"""Minimise the penalised loss label by label, each with the Hessian of its own weights.

The labels of a softmax are coupled weakly, and rarely have more than a few hundred weights each. For label l
the Hessian is (1/N) X' diag(omega p_l (1 - p_l)) X, computed from the words that make up nearly all of it
(curvature.py). While labels take turns, the others of its words are ignored: the slope of a label starts from
that of all words, and what changes it is summed over the words of its Hessian, as are the objectives of the
line search. Each label therefore has a table of these words and of the neurons of its weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from onegrain.rankings.data.memory import Table
from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.newton import LabelBlock, NewtonState
from onegrain.rankings.elastic_net.problem import BLOCK
from onegrain.rankings.elastic_net.quadratic import Quadratic, one_sided
from onegrain.rankings.elastic_net.stochastic import native_bfloat16

__all__ = ["HESSIAN_BYTES", "label_steps"]

SWEEPS = 4
HALVINGS = 15
ROUGH = 0.015
"""Most of the curvature that models leave out if there is lambda2; near the minimum, the gap is the limit."""
HESSIAN_BYTES = 2**28
STRIP = 512
"""Columns of a product for the Hessian."""
SMALLEST, LARGEST = 1e-30, 1e30
"""Limits of the odds, so that no quotient or logarithm overflows."""
LONGEST = 60.0
"""Largest logarithm of the factor of a step, for the same reason."""


def label_steps(state: NewtonState, working: Tensor) -> bool:
    """Sweep over the labels; minimise the model of one label at a time, then update its bias.

    The odds of the labels, (labels, words), are their probabilities at first, and need not sum to one later.
    """
    words = state.words
    used = working.any(1).nonzero().ravel()
    most = int((HESSIAN_BYTES / words.n_labels / words.dtype.itemsize) ** 0.5)
    left_out = _left_out(state)
    chances = state.points.probabilities[: words.n_words]
    curved = curved_words(words, chances, left_out).T
    odds = chances.T.contiguous()
    problems = [
        _LabelProblem(
            state, label, _steepest_weights(state, working[:, label], label, most), used, curved[label], odds
        )
        for label in range(words.n_labels)
    ]
    for rows in words.rows():
        block = words.selected(rows, used)
        for problem in problems:
            problem.add(block, curved[problem.label, rows])
    for problem in problems:
        problem.measure_hessian()
    for _ in range(SWEEPS):
        for problem in problems:
            if len(problem.columns):
                problem.step(odds)
            problem.balance(odds)
    weights, bias_changes = state.weights.clone(), torch.zeros_like(state.biases)
    for problem in problems:
        weights[used[problem.columns], problem.label] = problem.weights
        bias_changes[problem.label] = problem.bias_change
    state.blocks = [LabelBlock(problem.label, used[problem.columns], problem.hessian) for problem in problems]
    return state.lower(weights, state.biases + bias_changes, state.certificate.objective)


def _left_out(state: NewtonState) -> float:
    """Return the share of the curvature that the models leave out."""
    if state.pair[1] == 0.0:
        return state.left_out
    return max(state.left_out, min(ROUGH, state.certificate.measure()))


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
        rows: int64 (k,), the words that it is computed from.
        bias_change: by how much the bias has changed.
    """

    def __init__(
        self, state: NewtonState, label: int, neurons: Tensor, used: Tensor, curved: Tensor, odds: Tensor
    ) -> None:
        words = self.words = state.words
        self.label = label
        self.columns = torch.searchsorted(used, neurons)
        self.weights = state.weights[neurons, label]
        self.l1, self.l2 = state.l1[neurons, 0], state.l2[neurons, 0]
        self.hessian = words.zeros(len(neurons), len(neurons), dtype=words.dtype)
        self.bias_change = 0.0
        self.rows = curved.nonzero().ravel()
        self._omega = None if words.omega is None else words.omega[self.rows]
        self._before = odds[label, self.rows]
        self._gradient = state.points.gradient[neurons, 0, label].to(words.dtype)
        rough = native_bfloat16(words.device) and words.dtype == torch.float32
        self._kind = torch.bfloat16 if rough else words.dtype
        self._table: Table = words.memory.table(len(self.rows), len(neurons), self._kind)
        self._filled = 0

    def add(self, block: Tensor, curved: Tensor) -> None:
        """Keep the neurons of the curved ones of some words, (words, used)."""
        inputs = block.index_select(0, curved.nonzero().ravel()).index_select(1, self.columns)
        rows = slice(self._filled, self._filled + len(inputs))
        self._table[rows], self._filled = inputs.to(self._kind), rows.stop

    def measure_hessian(self) -> None:
        """Compute the Hessian, whose blocks below the diagonal mirror those above."""
        size = len(self.columns)
        strips = [slice(first, min(first + STRIP, size)) for first in range(0, size, STRIP)]
        p = self._before
        curvature = self._weigh(p * (1.0 - p)).to(self._kind)[:, None]
        for first in range(0, len(self.rows), BLOCK):
            rows = slice(first, min(first + BLOCK, len(self.rows)))
            inputs = self._table[rows]
            weighted = inputs * curvature[rows]
            for strip in strips:
                self.hessian[strip, strip.start :] += weighted[:, strip].T @ inputs[:, strip.start :]
        self.hessian.div_(self.words.n_words)
        for strip in strips:
            self.hessian[strip.stop :, strip] = self.hessian[strip, strip.stop :].T

    def step(self, odds: Tensor) -> None:
        """Minimise the model, move as far as J falls, and update this label's odds."""
        odds_before, others = odds[self.label, self.rows], self._others(odds)[self.rows]
        p = odds_before / (odds_before + others)
        slope_change = self._weigh(p - self._before).to(self._kind)
        gradient = self._gradient.clone()
        for part in self._parts():
            gradient += (slope_change[part] @ self._table[part]).to(gradient.dtype) / self.words.n_words
        model = Quadratic(self.hessian, gradient, self.weights, self.l1, self.l2)
        solution = model.descend()
        change = solution - self.weights
        rounded = change.to(self._kind)
        logit_change = torch.cat([self._table[part] @ rounded for part in self._parts()]).to(change.dtype)
        hot = self._hot()[self.rows]
        target_change = float(self._weigh(hot * logit_change).sum(dtype=torch.float64)) / self.words.n_words
        objective = self._objective(odds_before, others, self.weights)
        step = 1.0
        for _ in range(HALVINGS):
            moved = self.weights + step * change
            odds_after = odds_before * (step * logit_change).clamp(max=LONGEST).exp()
            odds_after.clamp_(max=LARGEST)
            if self._objective(odds_after, others, moved) - step * target_change < objective:
                self.weights = solution if step == 1.0 else moved
                odds[self.label, self.rows] = odds_after
                return
            step /= 2.0

    def balance(self, odds: Tensor) -> None:
        """Take a Newton step on this label's bias."""
        own = odds[self.label]
        p = own / (own + self._others(odds))
        slope, curvature = p - self._hot(), p * (1.0 - p)
        if self.words.omega is not None:
            slope, curvature = slope * self.words.omega, curvature * self.words.omega
        bias_step = -float(slope.mean()) / max(float(curvature.mean()), 1e-8)
        bias_step = max(-1.0, min(1.0, bias_step))
        own.mul_(math.exp(bias_step)).clamp_(max=LARGEST)
        self.bias_change += bias_step

    def _hot(self) -> Tensor:
        """Return 1 for each word of this label and 0 for the others, (words,)."""
        return (self.words.targets == self.label).to(self.words.dtype)

    def _others(self, odds: Tensor) -> Tensor:
        """Return the sum of the other labels' odds, (words,)."""
        return (odds[: self.label].sum(0) + odds[self.label + 1 :].sum(0)).clamp_(min=SMALLEST)

    def _parts(self) -> Iterator[slice]:
        """Yield slices of the label's words, each with at most as many values as a block of all neurons."""
        size = max(1, BLOCK * self.words.n_neurons // max(len(self.columns), 1))
        for first in range(0, len(self.rows), size):
            yield slice(first, min(first + size, len(self.rows)))

    def _objective(self, own: Tensor, others: Tensor, weights: Tensor) -> float:
        """Return J of the label's words, up to what their own labels add to it."""
        loss = float(self._weigh((own + others).log()).sum(dtype=torch.float64)) / self.words.n_words
        return loss + float(self.l1 @ weights.abs() + self.l2 @ weights.square())

    def _weigh(self, per_word: Tensor) -> Tensor:
        """Multiply values of the label's words by their weights."""
        return per_word if self._omega is None else per_word * self._omega
