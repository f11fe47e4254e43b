"""Take a Newton step on the weights of all labels together, by their true Hessian.

With x_i the neurons of word i and P_i its probabilities, the Hessian's blocks for labels l and m are

    (1/N) sum_i omega_i P_il (1 - P_il) x_i x_i'     for l = m,
    -(1/N) sum_i omega_i P_il P_im x_i x_i'          otherwise.

Each pair of labels is computed once, for some words at a time. While the gap is large, products for many
weights are bfloat16 where the processor has it, and the first step of a probe takes the mean over half of the
words, because its zeros are not right yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.newton import NewtonState, move
from onegrain.rankings.elastic_net.problem import BLOCK, Words
from onegrain.rankings.elastic_net.quadratic import Quadratic

__all__ = ["joint_step"]

NEWTON_STEPS, ROUGH_STEPS = 12, 3
"""Most Newton steps on the model, and most of them on a model of bfloat16 products."""
ROUGH_TOLERANCE = 1e-7
ROUGH, LEAST_ROUGH = 1e-4, 512
"""Products may be bfloat16 above this gap, with at least as many weights."""
HALVED = 0.5
"""A rough step that leaves more than this share of the gap is the last one."""
PRODUCT = 4 * BLOCK
"""Words of a product."""
ENOUGH = 4
"""Half of the words suffice for the first step if they are at least this multiple of the weights."""


def joint_step(state: NewtonState, working: Tensor) -> bool:
    """Minimise the second-order model of the working weights, bool (neurons, labels), and move towards it.

    A step on a rough model that does not halve the gap is the last such step of the probe.

    Returns:
        True if J fell.
    """
    size, before = int(working.sum()), state.certificate
    rough = not state.exact and size >= LEAST_ROUGH and state.is_rough(ROUGH)
    if not rough:
        return _step(state, working)
    half = state.joint_steps == 0 and state.words.n_words >= 2 * ENOUGH * size
    # a rough Hessian may have no factor, and then the step is none
    lowered = _step(state, working, rough=True, half=half) and state.certificate.objective < before.objective
    state.exact = not lowered or (not half and state.certificate.gap > HALVED * before.gap)
    return lowered or _step(state, working)


def _step(state: NewtonState, working: Tensor, *, rough: bool = False, half: bool = False) -> bool:
    """Take the step by a model that may be rough, or from half of the words; return True if J fell."""
    words = state.words
    columns = _Columns.of(working)
    chances = state.points.probabilities[: words.n_words]
    hessian = _hessian(words, chances, columns, rough=rough, half=half)
    dtype, bias = hessian.dtype, columns.biases
    # adding a constant to all biases changes nothing; this term keeps their sum constant
    hessian[bias[:, None], bias] += 1.0 / words.n_labels**2
    start = columns.gather(state.weights, state.biases).to(dtype)
    nothing = torch.zeros_like(state.biases)
    l1, l2 = (columns.gather(table.expand_as(working), nothing).to(dtype) for table in (state.l1, state.l2))
    gradient = columns.gather(state.points.gradient[:, 0], state.points.slope[0]).to(dtype)
    model = Quadratic(hessian, gradient, start, l1, l2)
    # coordinates only find the signs, for which the precision of the words is enough
    sparse_start = model.to(words.dtype).descend().to(dtype) if state.pair[0] else start
    limits = (ROUGH_STEPS, ROUGH_TOLERANCE) if rough else (NEWTON_STEPS,)
    change = (model.newton(sparse_start, *limits) - start).to(words.dtype)
    direction = torch.zeros_like(state.weights)
    direction[columns.neurons, columns.labels] = change[columns.weights]
    state.joint_steps += 1
    return move(state, direction, change[bias])


@dataclass(frozen=True, eq=False)
class _Columns:
    """The columns of a Hessian: the weights of each label in turn, and its bias after them.

    Attributes:
        labels: int64 (n,), the label of each weight, ascending.
        neurons: int64 (n,), its neuron.
        weights: int64 (n,), the columns of the weights.
        biases: int64 (labels,), the columns of the biases.
    """

    labels: Tensor
    neurons: Tensor
    weights: Tensor
    biases: Tensor

    @classmethod
    def of(cls, working: Tensor) -> _Columns:
        """Return the columns of some weights, bool (neurons, labels), and all biases."""
        labels, neurons = working.T.nonzero().unbind(1)
        biases = working.sum(0).cumsum(0) + torch.arange(working.shape[1], device=working.device)
        return cls(labels, neurons, torch.arange(len(labels), device=working.device) + labels, biases)

    def gather(self, weights: Tensor, biases: Tensor) -> Tensor:
        """Return a value for every column from those of all weights (neurons, labels) and biases (labels,)."""
        values = torch.empty(len(self.weights) + len(self.biases), dtype=weights.dtype, device=weights.device)
        values[self.weights], values[self.biases] = weights[self.neurons, self.labels], biases
        return values

    @cached_property
    def used(self) -> tuple[Tensor, Tensor]:
        """The neurons that have a column, ascending, and the place of each weight's neuron among them."""
        used, places = self.neurons.unique(return_inverse=True)
        return used, places

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The first column of each label, and the one after its last."""
        ends = (self.biases + 1).tolist()
        return list(zip([0, *ends], ends, strict=False))


def _hessian(
    words: Words, chances: Tensor, columns: _Columns, *, rough: bool = False, half: bool = False
) -> Tensor:
    """Return the Hessian, (columns, columns).

    Args:
        words: the words.
        chances: P, (words, labels).
        columns: its columns.
        rough: True for products in bfloat16 and sums in float32; otherwise sums are float64.
        half: True to take the mean over every other block of words.
    """
    kind, dtype = (torch.bfloat16, torch.float32) if rough else (words.dtype, torch.float64)
    size, spans = len(columns.weights) + len(columns.biases), columns.spans
    total, n_words = words.zeros(size, size, dtype=dtype), 0
    for rows in list(words.rows(PRODUCT))[:: 2 if half else 1]:
        n_words += rows.stop - rows.start
        inputs = _inputs(words, rows, columns, kind)
        omega = None if words.omega is None else words.omega[rows, None].to(kind)
        # 1 - P is taken before the rounding, because P is near 1 for many words
        p, rest = chances[rows].to(kind), (1.0 - chances[rows]).to(kind)
        weighted = torch.empty_like(inputs)
        for label, (first, end) in enumerate(spans):
            torch.mul(inputs[:, first:end], p[:, label, None], out=weighted[:, first:end])
        for label, (first, end) in enumerate(spans):
            left = weighted[:, first:end] if omega is None else weighted[:, first:end] * omega
            total[first:end, first:end] += left.T @ (inputs[:, first:end] * rest[:, label, None])
            total[first:end, end:] -= left.T @ weighted[:, end:]
    total.triu_().div_(n_words)
    return total.add_(total.triu(1).T)


def _inputs(words: Words, rows: slice, columns: _Columns, kind: torch.dtype) -> Tensor:
    """Return what some words multiply each weight and bias by, (words, columns)."""
    shape = rows.stop - rows.start, len(columns.weights) + len(columns.biases)
    inputs = torch.ones(shape, dtype=kind, device=words.device)
    used, places = columns.used
    for first in range(rows.start, rows.stop, BLOCK):
        part = slice(first, min(first + BLOCK, rows.stop))
        values = words.selected(part, used).to(kind).index_select(1, places)
        inputs[first - rows.start : part.stop - rows.start, columns.weights] = values
    return inputs
