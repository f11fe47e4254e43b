"""Take a Newton step on the weights of all labels together, by their true Hessian.

With x_i the neurons of word i and P_i its probabilities, the Hessian's blocks for labels l and m are

    (1/N) sum_i omega_i P_il (1 - P_il) x_i x_i'     for l = m,
    -(1/N) sum_i omega_i P_il P_im x_i x_i'          otherwise.

Each pair of labels is computed once, for some words at a time. While the gap is large, and with lambda2,
products are bfloat16 where the processor has it, and the first step of a probe takes the mean over half of the
words, because its zeros are not right yet.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.newton import NewtonState, move
from onegrain.rankings.elastic_net.problem import BLOCK, Words
from onegrain.rankings.elastic_net.quadratic import FISTA_STEPS, Quadratic

__all__ = ["joint_step"]

NEWTON_STEPS, ROUGH_STEPS = 12, 3
"""Most Newton steps on the model, and most of them on a model of bfloat16 products."""
ROUGH_TOLERANCE = 1e-7
ROUGH, LEAST_ROUGH = 1e-4, 512
"""Products may be bfloat16 above this gap, with at least as many weights."""
HALVED = 0.5
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
    size, gap = int(working.sum()), state.certificate.gap
    rough = not state.exact and size >= LEAST_ROUGH and state.is_rough(ROUGH)
    if not rough:
        return _step(state, working)
    half = state.joint_steps == 0 and state.words.n_words >= 2 * ENOUGH * size
    lowered = _step(state, working, rough=True, half=half)
    state.exact = not lowered or (not half and state.certificate.gap > HALVED * gap)
    return lowered or _step(state, working)


def _step(state: NewtonState, working: Tensor, *, rough: bool = False, half: bool = False) -> bool:
    """Take the step by a model that may be rough, or from half of the words; return True if J fell."""
    words = state.words
    labels, neurons = working.T.nonzero().unbind(1)
    size, extra = len(labels), words.n_labels
    chances = state.points.probabilities[: words.n_words]
    hessian = _hessian(words, chances, (labels, neurons), rough=rough, half=half)
    # adding a constant to all biases changes nothing; this term keeps their sum constant
    hessian[size:, size:] += 1.0 / extra**2
    dtype = hessian.dtype
    start = torch.cat([state.weights[neurons, labels], state.biases]).to(dtype)
    l1, l2 = (
        torch.cat([table.expand_as(working)[neurons, labels].to(dtype), words.zeros(extra, dtype=dtype)])
        for table in (state.l1, state.l2)
    )
    gradient = torch.cat([state.points.gradient[neurons, 0, labels], state.points.slope[0]]).to(dtype)
    model = Quadratic(hessian, gradient, start, l1, l2)
    # the first steps only find the signs, for which the precision of the words is enough
    sparse_start = model.to(words.dtype).fista(FISTA_STEPS).to(dtype) if state.pair[0] else start
    limits = (ROUGH_STEPS, ROUGH_TOLERANCE) if rough else (NEWTON_STEPS,)
    solution = model.newton(sparse_start, *limits)
    direction = torch.zeros_like(state.weights)
    direction[neurons, labels] = (solution - start)[:size].to(words.dtype)
    state.joint_steps += 1
    return move(state, direction, (solution - start)[size:].to(words.dtype))


def _hessian(
    words: Words, chances: Tensor, weights: tuple[Tensor, Tensor], *, rough: bool = False, half: bool = False
) -> Tensor:
    """Return the Hessian (n + labels, n + labels) of n weights and the biases.

    Args:
        words: the words.
        chances: P, (words, labels).
        weights: int64 (n,), the labels of the weights, ascending, and (n,), their neurons.
        rough: True for products in bfloat16 and sums in float32; otherwise sums are float64.
        half: True to take the mean over every other block of words.
    """
    labels, neurons = weights
    kind, dtype = (torch.bfloat16, torch.float32) if rough else (words.dtype, torch.float64)
    size, extra = len(labels), words.n_labels
    # each label's bias comes after its weights
    columns = torch.cat([labels, torch.arange(extra, device=words.device)]).argsort(stable=True)
    is_weight = columns < size
    ends = (torch.bincount(labels, minlength=extra) + 1).cumsum(0).tolist()
    spans = list(zip([0, *ends], ends, strict=False))
    total, n_words = words.zeros(len(columns), len(columns), dtype=dtype), 0
    for rows in list(words.rows(PRODUCT))[:: 2 if half else 1]:
        n_words += rows.stop - rows.start
        inputs, omega = _inputs(words, rows, is_weight, neurons, kind)
        # 1 - P is taken before the rounding, because P is near 1 for many words
        p, rest = chances[rows].to(kind), (1.0 - chances[rows]).to(kind)
        weighted = torch.empty_like(inputs)
        for label, (first, end) in enumerate(spans):
            torch.mul(inputs[:, first:end], p[:, label, None], out=weighted[:, first:end])
        for label, (first, end) in enumerate(spans):
            left = weighted[:, first:end] if omega is None else weighted[:, first:end] * omega
            total[first:end, first:end] += left.T @ (inputs[:, first:end] * rest[:, label, None])
            total[first:end, end:] -= left.T @ weighted[:, end:]
    total = total.triu_().div_(n_words)
    total += total.triu(1).T
    back = columns.argsort()
    return total[back][:, back]


def _inputs(
    words: Words, rows: slice, is_weight: Tensor, neurons: Tensor, kind: torch.dtype
) -> tuple[Tensor, Tensor | None]:
    """Return the inputs of some words, one column for each weight and bias, and omega, a column."""
    inputs = torch.ones(rows.stop - rows.start, len(is_weight), dtype=kind, device=words.device)
    for first in range(rows.start, rows.stop, BLOCK):
        part = slice(first, min(first + BLOCK, rows.stop))
        values = words.block(part).index_select(1, neurons).to(kind)
        inputs[first - rows.start : part.stop - rows.start, is_weight] = values
    return inputs, None if words.omega is None else words.omega[rows, None].to(kind)
