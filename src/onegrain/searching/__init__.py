"""Find neurons quickly: the index of a store, and the search for neurons that follow a concept."""

from __future__ import annotations

from onegrain.searching.index import NeuronIndex, index_path
from onegrain.searching.indexing import index_neurons
from onegrain.searching.options import IndexOptions
from onegrain.searching.search import search

__all__ = ["IndexOptions", "NeuronIndex", "index_neurons", "index_path", "search"]
