"""The neuron ordering of NeuroX 1.0.9, in the very order in which NeuroX lists the neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.ordering import shuffled_places

__all__ = ["NeuroxOrdering", "order_as_neurox"]


@dataclass(frozen=True, eq=False)
class NeuroxOrdering:
    """All neurons by the first share of the weight mass at which NeuroX selects them.

    Attributes:
        order: int64 (neurons,), flat indices: the ``n_ranked`` neurons that NeuroX lists, as it lists them,
            then those that it drops, in an order drawn from the seed.
        scores: float64 (neurons,): 1 - s / (stride + 1) for a neuron that step s = 0..stride brings, so equal
            inside a step; 0 for a dropped one.
        n_ranked: how many neurons NeuroX lists.
        cutoffs: (p, neurons in the order after the step of p per cent), for every step that brought neurons.
    """

    order: np.ndarray
    scores: np.ndarray
    n_ranked: int
    cutoffs: tuple[tuple[float, int], ...]


def order_as_neurox(weights: np.ndarray, search_stride: int = 100, seed: int = 0) -> NeuroxOrdering:
    """Order neurons by a probe's weights, (labels, neurons), as ``get_neuron_ordering`` of NeuroX does.

    For the shares 0, 1/stride, ... 1: for each label the shortest prefix of its neurons, by |weight|
    descending, whose cumulative |weight| reaches the share of the label's sum, and all of them where none does;
    new neurons of the union over labels are appended. A prefix has at least one neuron, so the first step
    brings every label's largest.

    Inside a step the neurons stand in the order of CPython's ``set`` of ints, which is a matter of their values
    modulo the table's size and so the same in every run, whatever PYTHONHASHSEED is. Sums are float32, as
    there; the sum and the last cumulative sum round differently, so that a tail of very small weights may be
    dropped. Equal weights stand as ``numpy.argsort`` leaves them, reversed. All this is as in NeuroX and has no
    part in chance; what NeuroX does not list at all stands behind, in an order drawn from the seed.

    >>> order_as_neurox(np.array([[0.5, -3.0, 1.0, 0.0]])).order.tolist()
    [1, 2, 0, 3]
    """
    sizes = np.abs(np.asarray(weights, dtype=np.float32))
    neurons = sizes.shape[1]
    listed: list[int] = []
    known: set[int] = set()
    scores = np.zeros(neurons)
    cutoffs = []
    labels = [_Prefixes(size) for size in sizes]
    for step in range(search_stride + 1):
        union: set[int] = set()
        for label in labels:
            union.update(label.reaching(step / search_stride))
        # a set made from the list of a set need not list its members as that one does, and NeuroX makes one
        new = set(list(union)).difference(known)  # noqa: C414
        if not new:
            continue
        listed.extend(new)
        known |= new
        scores[list(new)] = 1.0 - step / (search_stride + 1)
        cutoffs.append((100.0 * step / search_stride, len(listed)))
    places = shuffled_places(neurons, seed)
    dropped = np.array(sorted(set(range(neurons)) - known, key=lambda neuron: places[neuron]), dtype=np.int64)
    return NeuroxOrdering(
        order=np.concatenate([np.array(listed, dtype=np.int64), dropped]),
        scores=scores,
        n_ranked=len(listed),
        cutoffs=tuple(cutoffs),
    )


class _Prefixes:
    """One label's neurons by |weight| descending, cut where their cumulative |weight| reaches a share."""

    def __init__(self, sizes: np.ndarray) -> None:
        order = np.argsort(sizes)[::-1]
        self._order, self._total, self._held = order.tolist(), np.sum(sizes), np.cumsum(sizes[order])

    def reaching(self, share: float) -> list[int]:
        """The shortest prefix, at least one neuron; all neurons where rounding lets none reach it."""
        return self._order[: int(np.searchsorted(self._held, self._total * share)) + 1]
