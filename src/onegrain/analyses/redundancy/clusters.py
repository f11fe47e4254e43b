"""Clusters of redundant neurons: hierarchical clustering by correlation."""

from __future__ import annotations

import numpy as np
import psutil
from scipy.cluster import hierarchy

from onegrain.analyses.neurons.words import require_neurons
from onegrain.analyses.redundancy.correlations import correlations, correlations_bytes
from onegrain.core.progress import Progress, automatic
from onegrain.core.sizes import read_size, say_size
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.clusters import Clusters
from onegrain.records.provenance import Provenance
from onegrain.records.space import Neurons

__all__ = ["LINKAGES", "clusters"]

LINKAGES = ("average", "complete", "single")
EQUAL_DECIMALS = 9


def clusters(
    activations: Activations,
    *,
    linkage: str = "average",
    threshold: float = 0.3,
    signed: bool = False,
    neurons: Neurons | None = None,
    memory: int | str | None = None,
    progress: Progress = automatic,
) -> Clusters:
    """Group correlated neurons, and choose one neuron for each group.

    The distance of two neurons is 1 - abs(r), with r Pearson's correlation over the words. Starting from single
    neurons, clusters are joined until all are further apart than the threshold, by the linkage [Dalvi,
    Sajjad, Durrani, Belinkov, *Analyzing Redundancy in Pretrained Transformer Models*, EMNLP 2020].
    A constant neuron has no correlation: it forms a cluster alone, and ``details`` counts it. Words without
    activation are left out. Correlations come from one pass over the words, see
    :mod:`onegrain.analyses.redundancy.correlations`.

    Args:
        activations: activations of the neurons at every word.
        linkage: the distance of two clusters: the mean over pairs of members (``average``), the largest
            (``complete``) or the smallest (``single``).
        threshold: the largest distance at which clusters are joined, from 0 (equal up to sign) to 1, or 2 if
            signed.
        signed: use 1 - r, so that opposite neurons are far apart.
        neurons: names ``site:unit`` or flat indices of those to cluster; all by default.
        memory: the most that this process may hold, including what it holds already: bytes, or text such as
            ``4GiB``; by default the free memory. Each ordered pair of neurons needs 12 bytes.
        progress: receives the number of finished words.

    Returns:
        The partition, with a medoid for each cluster.

    Raises:
        ParameterError: an unknown linkage, a threshold out of range, no such neuron, an activation that is not
            finite, no word with an activation, or neurons that do not fit into the memory.

    >>> import onegrain
    >>> made = onegrain.planted(200)
    >>> found = clusters(made.activations)
    >>> sorted(found.members(found.numbers[made.indices("copy")[0]])) == sorted(
    ...     {*made.indices("copy"), *made.original[made.indices("copy")]}
    ... )
    True
    """
    everything = np.arange(activations.n_neurons)
    chosen = everything if neurons is None else np.unique(require_neurons(activations, neurons))
    _require_options(linkage, threshold, signed)
    _require_room(memory, correlations_bytes(len(chosen), int(chosen[-1] - chosen[0]) + 1), len(chosen))
    pairs = correlations(activations, chosen, progress=progress)
    distances = pairs.condensed if signed else np.abs(pairs.condensed, out=pairs.condensed)
    np.subtract(1.0, distances, out=distances)
    numbers = _partition(distances, pairs.changing, linkage, threshold)
    mean = np.full(len(chosen), np.nan)
    mean[pairs.changing] = 1.0 - _mean_distance(distances, numbers[pairs.changing])
    made_from = activations.provenance
    parameters = {
        "linkage": linkage, "threshold": float(threshold), "signed": signed,
        "neurons": None if neurons is None else chosen.tolist(),
    }  # fmt: skip
    return Clusters(
        space=activations.space,
        neurons=chosen,
        numbers=numbers,
        mean_correlation=mean,
        medoids=chosen[_medoids(numbers, mean)],
        linkage=linkage,
        threshold=float(threshold),
        signed=signed,
        provenance=Provenance(
            stage="clusters",
            model=made_from.model,
            corpus=made_from.corpus,
            sites=activations.space.sites,
            parameters=parameters,
            inputs=(made_from,),
        ),
        details={
            "words": pairs.words,
            "left_out": {"no_activation": activations.n_words - pairs.words},
            "constant": int((~pairs.changing).sum()),
        },
    )


def _require_options(linkage: str, threshold: float, signed: bool) -> None:
    if linkage not in LINKAGES:
        raise ParameterError(f"no linkage {linkage!r}; the linkages are: {', '.join(LINKAGES)}")
    most = 2 if signed else 1
    if not 0 <= threshold <= most:
        distance = "1 - r" if signed else "1 - |r|"
        raise ParameterError(f"threshold is a distance {distance}, from 0 to {most}, got {threshold}")


def _require_room(memory: int | str | None, needed: int, neurons: int) -> None:
    """Raise ParameterError if the correlations do not fit into the budget, by default the free memory."""
    held = psutil.Process().memory_info().rss
    if memory is None:
        room = psutil.virtual_memory().available
        budget = f"the free memory of {say_size(room)}"
    else:
        room = read_size(memory) - held
        budget = f"a memory budget of {say_size(room + held)}, of which {say_size(held)} are held already,"
    if needed > room:
        raise ParameterError(
            f"{budget} is too small: the correlations of {neurons:,} neurons need {say_size(needed)}; restrict "
            f"the sites, name the neurons, or give at least {say_size(held + needed)}"
        )


def _partition(distances: np.ndarray, changing: np.ndarray, linkage: str, threshold: float) -> np.ndarray:
    """Return the cluster of each neuron, int64 (neurons,); neurons that do not change are alone."""
    numbers = np.arange(len(changing), dtype=np.int64)
    if changing.sum() > 1:
        tree = hierarchy.linkage(distances, method=linkage)
        numbers[changing] = len(changing) + hierarchy.fcluster(tree, threshold, criterion="distance")
    return _by_lowest_member(numbers)


def _by_lowest_member(numbers: np.ndarray) -> np.ndarray:
    """Return the same partition with its clusters numbered from 0, in the order of their first members."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    renumber = np.empty(len(first), dtype=np.int64)
    renumber[np.argsort(first)] = np.arange(len(first))
    return renumber[inverse]


def _mean_distance(distances: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return for each neuron its mean distance to the other members of its cluster; NaN if it is alone."""
    count = len(numbers)
    mean = np.full(count, np.nan)
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    for members in np.split(order, starts[1:]):
        if len(members) < 2:
            continue
        for neuron in members:
            low, high = np.minimum(members, neuron), np.maximum(members, neuron)
            pairs = low * (2 * count - low - 1) // 2 + high - low - 1
            mean[neuron] = distances[pairs[low < high]].mean()
    return mean


def _medoids(numbers: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return for each cluster the position of the neuron with the highest mean, the first one among equals."""
    key = np.nan_to_num(mean, nan=0.0).round(EQUAL_DECIMALS)
    order = np.lexsort((np.arange(len(numbers)), -key, numbers))
    return order[np.flatnonzero(np.diff(numbers[order], prepend=-1))]
