"""Take a Newton step on the weights of all labels together, by their true Hessian.

With x_i the neurons of word i and P_i its probabilities, the Hessian's blocks for labels l and m are

    (1/N) sum_i omega_i P_il (1 - P_il) x_i x_i'     for l = m,
    -(1/N) sum_i omega_i P_il P_im x_i x_i'          otherwise.

A word whose probability of a label is near 0 or 1 adds almost nothing to that label's blocks. Only the words
that make up nearly all of a label's curvature are used (curvature.py). Each pair of labels is computed once.

Near the end the Hessian hardly changes. It then serves several steps, and is extended by the few weights that
it lacks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from onegrain.rankings.elastic_net.curvature import curved_words
from onegrain.rankings.elastic_net.newton import JointModel, NewtonState, move
from onegrain.rankings.elastic_net.problem import BLOCK, Words
from onegrain.rankings.elastic_net.quadratic import FISTA_STEPS, Quadratic

__all__ = ["HESSIAN_BLOCK", "joint_step"]

NEWTON_STEPS = 12
FALL = 0.1
"""A Hessian serves another step if the last step by it brought the gap down to this share, or less."""
COSTLY = 500
"""Rows of a Hessian that is worth using again; steps by a new one are more exact."""
ADDED = 0.05
"""Most weights that a Hessian lacks and still serves again, as a share of its weights."""
HESSIAN_BLOCK = 2048
COPIED = 0.7
"""Share of a block's words below which the curved ones are copied out of it."""


def joint_step(state: NewtonState, working: Tensor) -> bool:
    """Minimise the second-order model of the working weights, bool (neurons, labels), and move towards it.

    The Hessian of the last step serves again if that step brought the gap far down: the next one would differ
    from it by little.

    Returns:
        True if J fell.
    """
    gap, model = state.certificate.measure(), state.model
    if model is not None and len(model.hessian) >= COSTLY and any(state.pair):
        known = model.places >= 0
        needed = (state.weights != 0.0) | (state.slope().abs() > state.l1)
        missing = needed & working & ~known
        if gap <= FALL * model.gap and int(missing.sum()) <= ADDED * int(known.sum()):
            state.model = _with_weights(state, model, missing, gap) if bool(missing.any()) else model
            state.model.gap = gap
            if _step_by(state, state.model, working & (known | missing)):
                return True
    state.model = None  # frees the memory before the next Hessian
    state.model = _model_of(state, working, gap)
    return _step_by(state, state.model, working)


def _step_by(state: NewtonState, model: JointModel, working: Tensor) -> bool:
    """Minimise the model of the working weights, which all have a place in it, and move towards it."""
    words = state.words
    labels, neurons = working.T.nonzero().unbind(1)
    size, extra = len(labels), words.n_labels
    n_known = len(model.hessian) - extra
    columns = torch.cat([model.places[neurons, labels], n_known + torch.arange(extra, device=words.device)])
    every = len(columns) == len(model.hessian)
    hessian = (model.hessian if every else model.hessian[columns][:, columns]).to(torch.float64, copy=True)
    # adding a constant to all biases changes nothing; this term keeps their sum constant
    hessian[size:, size:] += 1.0 / extra**2
    start = torch.cat([state.weights[neurons, labels], state.biases]).double()
    l1, l2 = (
        torch.cat([table.expand_as(working)[neurons, labels].double(), words.zeros(extra)])
        for table in (state.l1, state.l2)
    )
    gradient = torch.cat([state.points.gradient[neurons, 0, labels], state.points.slope[0]])
    quadratic = Quadratic(hessian, gradient, start, l1, l2)
    # the first steps only find the signs, for which the precision of the words is enough
    sparse_start = quadratic.to(words.dtype).fista(FISTA_STEPS).double() if state.pair[0] else start
    solution = quadratic.newton(sparse_start, NEWTON_STEPS)
    direction = torch.zeros_like(state.weights)
    direction[neurons, labels] = (solution - start)[:size].to(words.dtype)
    return move(state, direction, (solution - start)[size:].to(words.dtype))


def _model_of(state: NewtonState, working: Tensor, gap: float) -> JointModel:
    """Return the Hessian of the working weights at the present probe."""
    words = state.words
    labels, neurons = working.T.nonzero().unbind(1)
    chances = state.points.probabilities[: words.n_words]
    curved = curved_words(words, chances, state.left_out)
    places = torch.full(working.shape, -1, dtype=torch.int64, device=words.device)
    places[neurons, labels] = torch.arange(len(labels), device=words.device)
    return JointModel(_hessian(words, chances, curved, (labels, neurons), not any(state.pair)), places, gap)


def _with_weights(state: NewtonState, model: JointModel, missing: Tensor, gap: float) -> JointModel:
    """Return a Hessian with more weights, bool (neurons, labels), whose blocks are of the present probe."""
    words, chances, extra = state.words, state.points.probabilities, state.words.n_labels
    new_neurons, new_labels = missing.nonzero().unbind(1)
    first, last = len(model.hessian) - extra, len(model.hessian) - extra + len(new_labels)
    places = model.places.clone()
    places[new_neurons, new_labels] = torch.arange(first, last, device=words.device)
    neurons, labels = (places >= 0).nonzero().unbind(1)
    order = places[neurons, labels].argsort()
    neurons = neurons[order]
    labels = torch.cat([labels[order], torch.arange(extra, device=words.device)])
    others, same = words.zeros(2, last + extra, last - first, dtype=words.dtype)
    for rows in words.rows(HESSIAN_BLOCK):
        values = words.block(rows)
        inputs = values.new_ones(len(values), last + extra)
        inputs[:, :last] = values[:, neurons]
        weighted = inputs * chances[rows][:, labels]
        added = weighted[:, first:last]
        others.addmm_(weighted.T, words.weigh(added, rows), alpha=-1.0)
        same.addmm_(weighted.T, words.weigh(inputs[:, first:last] - added, rows))
    blocks = torch.where(labels[:, None] == new_labels, same, others)
    hessian = words.zeros(last + extra, last + extra, dtype=words.dtype)
    kept = torch.cat([torch.arange(first), torch.arange(last, last + extra)]).to(words.device)
    hessian[kept[:, None], kept] = model.hessian
    hessian[:, first:last] = blocks / words.n_words
    hessian[first:last] = hessian[:, first:last].T
    return JointModel(hessian, places, gap)


def _hessian(
    words: Words, chances: Tensor, curved: Tensor, weights: tuple[Tensor, Tensor], precise: bool = False
) -> Tensor:
    """Return the Hessian, (n + labels, n + labels), of n weights and the biases.

    Args:
        words: the words.
        chances: P, (words, labels).
        curved: bool (words, labels), which words are used for each label.
        weights: int64 (n,), the labels of the weights, and (n,), their neurons.
        precise: True to add up blocks of words in float64, as is done for a small Hessian.

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
    costly = len(columns) >= COSTLY and not precise
    total = words.zeros(len(columns), len(columns), dtype=words.dtype if costly else torch.float64)
    for rows in words.rows(HESSIAN_BLOCK if costly else BLOCK):
        values = words.block(rows)
        inputs = values.new_ones(len(values), len(columns))
        inputs[:, is_weight] = values[:, sources]
        weighted = inputs * (chances[rows] * curved[rows])[:, column_labels]
        first = 0
        for label, end in zip(label_order.tolist(), ends, strict=True):
            weighed = words.weigh(weighted[:, first:end], rows)
            parts = weighed, weighted[:, first:], inputs[:, first:end]
            used = curved[rows, label].nonzero().ravel()
            if len(used) < COPIED * len(inputs):
                parts = parts[0][used], parts[1][used], parts[2][used]
            left, right, same = parts
            n_same = end - first
            _add_product(total[first:end, end:], left, right[:, n_same:], -1.0)
            # 1 - P is small where P is near 1, and is formed before the sum, which rounds
            _add_product(total[first:end, first:end], left, same - right[:, :n_same], 1.0)
            first = end
    total /= words.n_words
    total = total.triu() + total.triu(1).T
    back = columns.argsort()
    return total[back][:, back]


def _add_product(total: Tensor, left: Tensor, right: Tensor, factor: float) -> None:
    """Add factor * left' right to ``total``, whose precision may be higher."""
    if total.dtype == left.dtype:
        total.addmm_(left.T, right, alpha=factor)
    else:
        total += factor * (left.T @ right)
