"""Make the index of a store."""

from __future__ import annotations

import os

from onegrain.core.progress import Progress, automatic
from onegrain.records.activations import Activations
from onegrain.searching.index import NeuronIndex
from onegrain.searching.options import IndexOptions

__all__ = ["index_neurons"]


def index_neurons(
    store: str | os.PathLike[str] | Activations,
    *,
    path: str | os.PathLike[str] | None = None,
    options: IndexOptions | None = None,
    force: bool = False,
    progress: Progress = automatic,
) -> NeuronIndex:
    """Index a store: keep what a page about a neuron needs, for every neuron, and what makes a search fast.

    Args:
        store: a store of activations, its path or its URL.
        path: the index to write; by default beside the store, see :func:`onegrain.searching.index_path`.
        options: how much of each neuron is kept; the defaults of :class:`IndexOptions`.
        force: replace an index that exists already.
        progress: shows how many neurons are indexed.
    """
    return NeuronIndex.open(store, path)
