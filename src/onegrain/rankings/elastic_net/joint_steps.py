"""Take a Newton step on the weights of all labels together, by their true Hessian.

With x_i the neurons of word i and P_i its probabilities, the Hessian's blocks for labels l and m are

    (1/N) sum_i omega_i P_il (1 - P_il) x_i x_i'     for l = m,
    -(1/N) sum_i omega_i P_il P_im x_i x_i'          otherwise.

A word whose probability of a label is near 0 or 1 adds almost nothing to that label's blocks. Only the words
that make up nearly all of a label's curvature are used (curvature.py). Each pair of labels is computed once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.newton import NewtonState, move
from onegrain.rankings.elastic_net.problem import Words
from onegrain.rankings.elastic_net.quadratic import FISTA_STEPS, Quadratic

__all__ = ["joint_step"]

NEWTON_STEPS = 12


def joint_step(state: NewtonState, working: Tensor) -> bool:
    """Minimise the second-order model of the working weights, bool (neurons, labels), and move towards it.

    Returns:
        True if J fell.
    """
    words = state.words
    labels, neurons = working.T.nonzero().unbind(1)
    size, extra = len(labels), words.n_labels
    chances = state.points.probabilities[: words.n_words]
    curved = curved_words(words, chances, state.left_out)
    hessian = _hessian(words, chances, curved, (labels, neurons))
    # adding a constant to all biases changes nothing; this term keeps their sum constant
    hessian[size:, size:] += 1.0 / extra**2
    start = torch.cat([state.weights[neurons, labels], state.biases]).double()
    l1, l2 = (
        torch.cat([table.expand_as(working)[neurons, labels].double(), words.zeros(extra)])
        for table in (state.l1, state.l2)
    )
    gradient = torch.cat([state.points.gradient[neurons, 0, labels], state.points.slope[0]])
    model = Quadratic(hessian, gradient, start, l1, l2)
    # the first steps only find the signs, for which the precision of the words is enough
    sparse_start = model.to(words.dtype).fista(FISTA_STEPS).double() if state.pair[0] else start
    solution = model.newton(sparse_start, NEWTON_STEPS)
    direction = torch.zeros_like(state.weights)
    direction[neurons, labels] = (solution - start)[:size].to(words.dtype)
    return move(state, direction, (solution - start)[size:].to(words.dtype))


def _hessian(words: Words, chances: Tensor, curved: Tensor, weights: tuple[Tensor, Tensor]) -> Tensor:
    """Return the Hessian, float64 (n + labels, n + labels), of n weights and the biases.

    Args:
        words: the words.
        chances: P, (words, labels).
        curved: bool (words, labels), which words are used for each label.
        weights: int64 (n,), the labels of the weights, and (n,), their neurons.

    The columns are first put in the order of the labels, each label's bias after its weights. Labels with few
    curved words go first, because the blocks of a label with those after it are computed from its words alone.
    """
    extra = words.n_labels
    labels, neurons = weights
    label_order = curved.sum(0).argsort(stable=True)
    rank_of = torch.empty_like(label_order)
    rank_of[label_order] = torch.arange(extra, device=words.device)
    column_ranks = torch.cat([rank_of[labels], rank_of])
    columns = column_ranks.argsort(stable=True)
    column_labels = label_order[column_ranks[columns]]
    ends = torch.bincount(column_ranks, minlength=extra).cumsum(0).tolist()
    is_weight = columns < len(neurons)
    sources = neurons[columns[is_weight]]
    total = words.zeros(len(columns), len(columns))
    for rows in words.rows():
        values = words.block(rows)
        inputs = values.new_ones(len(values), len(columns))
        inputs[:, is_weight] = values[:, sources]
        weighted = inputs * (chances[rows] * curved[rows])[:, column_labels]
        first = 0
        for label, end in zip(label_order.tolist(), ends, strict=True):
            used = curved[rows, label].nonzero().ravel()
            right = weighted[used, first:]
            left = words.weigh(weighted[:, first:end], rows)[used]
            right[:, : end - first].sub_(inputs[used, first:end])
            total[first:end, first:] -= left.T @ right
            first = end
    total /= words.n_words
    total = total.triu() + total.triu(1).T
    back = columns.argsort()
    return total[back][:, back]
