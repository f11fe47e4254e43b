"""The values of single neurons of a store at all its words, kept in memory once a page has read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from onegrain.analyses.neurons.words import NeuronScale, neuron_scale
from onegrain.explorer.collection import Entry
from onegrain.explorer.recent import Recent
from onegrain.explorer.state import Explorer
from onegrain.records.space import NeuronSpace

__all__ = ["neuron_column", "scale_of"]

MOST_COLUMNS = 128
"""Neurons whose values stay in memory: 4 bytes a word each."""
PART = "neuron"


def neuron_column(explorer: Explorer, store: Entry, neuron: int) -> Float32[np.ndarray, " words"]:
    """Return the values of one neuron, by its flat index, at every word of a store; nothing else is read."""
    kept: Recent[np.ndarray] = explorer.collection.derived("neuron columns", lambda: Recent(MOST_COLUMNS))
    return kept.get((store.name, neuron), lambda: explorer.collection.store(store.name).neuron(neuron))


def scale_of(explorer: Explorer, store: Entry, neurons: Sequence[int]) -> NeuronScale:
    """Return the mean and standard deviation of some neurons over the words of a store.

    They are those of its index if it has one; else the neurons are read.
    """
    index = explorer.indexes.opened(explorer.collection, store)
    if index is not None:
        chosen = list(neurons)
        return NeuronScale(index.statistics.mean[chosen], index.statistics.std[chosen])
    kept: Recent[NeuronScale] = explorer.collection.derived("neuron scales", lambda: Recent(MOST_COLUMNS))

    def scale(neuron: int) -> NeuronScale:
        return kept.get((store.name, neuron), lambda: _scale(explorer, store, neuron))

    scales = [scale(neuron) for neuron in neurons]
    mean, std = (np.array([getattr(scale, name)[0] for scale in scales]) for name in ("mean", "std"))
    return NeuronScale(mean, std)


def _scale(explorer: Explorer, store: Entry, neuron: int) -> NeuronScale:
    """Return the mean and standard deviation of one neuron, from its values in memory."""
    activations = explorer.collection.store(store.name)
    column = neuron_column(explorer, store, neuron)[:, None]
    return neuron_scale(replace(activations, array=column, space=NeuronSpace((PART,), (1,)), columns=None), [0])
