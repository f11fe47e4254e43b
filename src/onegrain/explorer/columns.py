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
from onegrain.records.activations import Activations
from onegrain.records.space import NeuronSpace

__all__ = ["columns_of", "neuron_column", "scale_of"]

MOST_COLUMNS = 128
"""Neurons whose values stay in memory: 4 bytes a word each."""
PART = "pinned"


def neuron_column(explorer: Explorer, store: Entry, neuron: int) -> Float32[np.ndarray, " words"]:
    """Return the values of one neuron, by its flat index, at every word of a store; nothing else is read."""
    kept: Recent[np.ndarray] = explorer.collection.derived("neuron columns", lambda: Recent(MOST_COLUMNS))
    return kept.get((store.name, neuron), lambda: explorer.collection.store(store.name).neuron(neuron))


def columns_of(explorer: Explorer, store: Entry, neurons: Sequence[int]) -> Activations:
    """Return some neurons of a store as activations in memory, in the order in which they are named.

    The neurons of the result are numbered from 0, so that the analyses take them without reading the others.
    """
    activations = explorer.collection.store(store.name)
    table = np.stack([neuron_column(explorer, store, neuron) for neuron in neurons], axis=1)
    space = NeuronSpace((PART,), (len(neurons),))
    return replace(activations, array=table, space=space, columns=None)


def scale_of(explorer: Explorer, store: Entry, neurons: Sequence[int]) -> NeuronScale:
    """Return the mean and standard deviation of some neurons over the words of a store."""
    kept: Recent[NeuronScale] = explorer.collection.derived("neuron scales", lambda: Recent(MOST_COLUMNS))

    def scale(neuron: int) -> NeuronScale:
        return kept.get((store.name, neuron), lambda: neuron_scale(columns_of(explorer, store, [neuron]), [0]))

    scales = [scale(neuron) for neuron in neurons]
    mean, std = (np.array([getattr(scale, name)[0] for scale in scales]) for name in ("mean", "std"))
    return NeuronScale(mean, std)
