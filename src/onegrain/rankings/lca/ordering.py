"""The neuron ordering of Linguistic Correlation Analysis [Dalvi19, "Neuron Ranking Extraction"]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onegrain.core.ordering import shuffled_places

__all__ = ["NeuronOrdering", "order_neurons"]

STEPS = 100


@dataclass(frozen=True, eq=False)
class NeuronOrdering:
    """An order of all neurons by how early they enter the union of the labels' shortest prefixes.

    Attributes:
        order: int64 (neurons,), flat indices, best first.
        entry: int64 (neurons,), the percentage p (1..100) at which each neuron enters; 0 for an unranked one.
        scores: float64 (neurons,), (100 - p + share) / 100 with the neuron's largest share over labels, so that
            scores fall along the order; 0 for an unranked neuron.
        n_ranked: number of neurons with a nonzero weight.
        cutoffs: (p, number of neurons in the order after step p), for every p that added neurons.
    """

    order: np.ndarray
    entry: np.ndarray
    scores: np.ndarray
    n_ranked: int
    cutoffs: tuple[tuple[int, int], ...]


def order_neurons(weights: np.ndarray, slopes: np.ndarray | None = None, seed: int = 0) -> NeuronOrdering:
    """Return the order of the neurons by the probe's weights (labels, neurons).

    For p = 1 %, 2 %, ... 100 %, each label has a shortest prefix of its neurons, by |weight| descending, whose
    share of the label's sum of |weight| reaches p; the neuron that crosses p belongs to it. The neurons that
    are new in the union of these prefixes are appended, those with the largest share over labels first. A
    neuron with zero weight for every label is unranked and comes last; unranked neurons are ordered by their
    largest slope over labels, steepest first. Neurons that are still equal stand in an order drawn from the
    seed. A neuron belongs to the prefix for p exactly if the neurons before it hold less than p, so every
    neuron with a weight has entered by p = 100 %, even with rounding.

    Args:
        weights: (labels, neurons).
        slopes: (labels, neurons), the size of the loss's gradient by each weight (at the optimum at most
            lambda1 where the weight is zero), or None.
        seed: random seed of the order of equal neurons.

    >>> order_neurons(np.array([[0.0, -3.0, 1.0]])).order.tolist()
    [1, 2, 0]
    """
    sizes = np.abs(np.asarray(weights, dtype=np.float64))
    neurons = sizes.shape[1]
    places = shuffled_places(neurons, seed)
    shuffled = np.argsort(places)
    entry = np.full(neurons, STEPS + 1, dtype=np.int64)
    largest = np.zeros(neurons)
    for size in sizes:
        total = size.sum()
        if total == 0.0:
            continue
        used = shuffled[size[shuffled] > 0.0]
        sorted_first = used[np.argsort(-size[used], kind="stable")]
        shares_before = np.concatenate([[0.0], np.cumsum(size[sorted_first])])
        enters = np.minimum(
            np.floor(STEPS * shares_before[:-1] / shares_before[-1]).astype(np.int64) + 1, STEPS
        )
        entry[sorted_first] = np.minimum(entry[sorted_first], enters)
        largest = np.maximum(largest, size / total)
    ranked = entry <= STEPS
    steepness = np.zeros(neurons) if slopes is None else np.abs(slopes).max(axis=0)
    order = np.lexsort((places, -np.where(ranked, largest, steepness), entry)).astype(np.int64)
    added = np.bincount(entry[ranked], minlength=STEPS + 1)
    reached = np.cumsum(added)
    return NeuronOrdering(
        order=order,
        entry=np.where(ranked, entry, 0),
        scores=np.where(ranked, (STEPS - entry + largest) / STEPS, 0.0),
        n_ranked=int(ranked.sum()),
        cutoffs=tuple((int(p), int(reached[p])) for p in np.flatnonzero(added)),
    )
