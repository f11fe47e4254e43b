"""The order in which NeuroX 1.0.9 lists neurons by the weights of a probe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.ordering import shuffled_places

__all__ = ["NeuroxOrdering", "order_as_neurox"]


@dataclass(frozen=True, eq=False)
class NeuroxOrdering:
    """All neurons, ordered by the share of the weight mass at which NeuroX first selects them.

    Attributes:
        order: int64 (neurons,), flat indices: the ``n_ranked`` neurons that NeuroX lists, in its order, then
            those that it drops, in an order drawn from the seed.
        scores: float64 (neurons,): 1 - s / (stride + 1) for a neuron selected in step s = 0..stride, so equal
            within a step; 0 for a dropped neuron.
        n_ranked: number of neurons that NeuroX lists.
        cutoffs: (p, number of neurons listed after the step of p per cent) for every step that selected
            neurons.
    """

    order: np.ndarray
    scores: np.ndarray
    n_ranked: int
    cutoffs: tuple[tuple[float, int], ...]


def order_as_neurox(weights: np.ndarray, search_stride: int = 100, seed: int = 0) -> NeuroxOrdering:
    """Order neurons by a probe's weights, (labels, neurons), as ``get_neuron_ordering`` of NeuroX does.

    For each of the shares 0, 1/stride, ... 1, take for each label the shortest prefix of its neurons, by
    |weight| descending, whose cumulative |weight| reaches the share of the label's sum (or all neurons if none
    does), and append the new neurons of the union over labels. A prefix has at least one neuron, so the first
    step selects every label's largest.

    Within a step, neurons are in the order of CPython's ``set`` of ints. It depends only on their values modulo
    the size of the table, so it is the same in every run, for any PYTHONHASHSEED. Sums are float32, as in
    NeuroX; the sum and the last cumulative sum round differently, so a tail of very small weights may be
    dropped. Equal weights keep the order of ``numpy.argsort``, reversed. All of this follows NeuroX and
    involves no chance; only neurons that NeuroX does not list follow in an order drawn from the seed.

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
        # rebuilding a set from its list can change its order, and NeuroX rebuilds it
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
    """Prefixes of one label's neurons by |weight| descending, by their share of the weight mass."""

    def __init__(self, sizes: np.ndarray) -> None:
        order = np.argsort(sizes)[::-1]
        self._order, self._total, self._held = order.tolist(), np.sum(sizes), np.cumsum(sizes[order])

    def reaching(self, share: float) -> list[int]:
        """Return the shortest prefix that reaches a share, at least one neuron; all if rounding lets none."""
        return self._order[: int(np.searchsorted(self._held, self._total * share)) + 1]
