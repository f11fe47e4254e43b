"""The values of single neurons of a store at all its words, kept in memory once a page has read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32

from onegrain.analyses.neurons.columns import require_finite_columns
from onegrain.analyses.neurons.kernels import moments
from onegrain.analyses.neurons.words import NeuronScale
from onegrain.errors import ParameterError
from onegrain.explorer.collection import Entry
from onegrain.explorer.recent import Recent
from onegrain.explorer.state import Explorer
from onegrain.records.neuron_card import CardStatistics

__all__ = ["neuron_column", "scale_of", "statistics_of"]

MOST_COLUMNS = 128
"""Neurons whose values stay in memory: 4 bytes a word each."""


def neuron_column(explorer: Explorer, store: Entry, neuron: int) -> Float32[np.ndarray, " words"]:
    """Return the values of one neuron, by its flat index, at every word of a store; nothing else is read."""
    kept: Recent[np.ndarray] = explorer.collection.derived("neuron columns", lambda: Recent(MOST_COLUMNS))
    return kept.get((store.name, neuron), lambda: explorer.collection.store(store.name).neuron(neuron))


def statistics_of(explorer: Explorer, store: Entry, neuron: int) -> CardStatistics:
    """Return the statistics of one neuron over the words of a store.

    They are those of its index if it has one; else the values of the neuron are read.

    Raises:
        ParameterError: no word has an activation, or one is not finite.
    """
    index = explorer.indexes.opened(explorer.collection, store)
    if index is not None:
        return index.statistics.of(neuron)
    kept: Recent[CardStatistics] = explorer.collection.derived(
        "neuron statistics", lambda: Recent(MOST_COLUMNS)
    )
    return kept.get((store.name, neuron), lambda: _measured(explorer, store, neuron))


def _measured(explorer: Explorer, store: Entry, neuron: int) -> CardStatistics:
    activations = explorer.collection.store(store.name)
    values = np.ascontiguousarray(neuron_column(explorer, store, neuron)[activations.present])
    if not values.size:
        raise ParameterError(f"no word of {store.name} has an activation; extract it from other words")
    require_finite_columns(activations, values[:, None])
    return CardStatistics.of_moments(values.size, moments(values))


def scale_of(explorer: Explorer, store: Entry, neurons: Sequence[int]) -> NeuronScale:
    """Return the mean and standard deviation of some neurons over the words of a store."""
    statistics = [statistics_of(explorer, store, neuron) for neuron in neurons]
    mean, std = (np.array([getattr(each, name) for each in statistics]) for name in ("mean", "std"))
    return NeuronScale(mean, std)
