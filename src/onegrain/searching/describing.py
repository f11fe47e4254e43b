"""Describe single neurons of a store without an index, as the index would."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

from onegrain.analyses.neurons.columns import WordTypes, require_finite_columns
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.indexed_neuron import IndexedNeuron
from onegrain.searching.labels import KeptLabels
from onegrain.searching.layout import Rows
from onegrain.searching.options import IndexOptions
from onegrain.searching.reading import IndexedNeurons
from onegrain.searching.summing import NeuronWork, TileSums

__all__ = ["NeuronDescriptions"]


class NeuronDescriptions:
    """Descriptions of the neurons of a store, each computed from its values when it is asked for.

    They equal those of an index with the same options. One neuron takes about as long as reading its values, so
    that a small store needs no index.

    Args:
        activations: a store, or activations in memory.
        options: how much of each neuron is described.
        read: returns the values of the neuron with a flat index at every word, float32 (words,); by default
            they are read from the store.

    Raises:
        ParameterError: no word has an activation.
    """

    def __init__(
        self,
        activations: Activations,
        options: IndexOptions | None = None,
        *,
        read: Callable[[int], Float32[np.ndarray, " words"]] | None = None,
    ) -> None:
        if not activations.present.any():
            raise ParameterError(
                f"no word of {activations.describe()} has an activation, so no neuron is described"
            )
        computed = _ComputedRows(activations, options or IndexOptions(), read or activations.neuron)
        labels = computed.labels
        self._space = activations.space
        self._neurons = IndexedNeurons(
            computed, computed.rows, activations.corpus, activations.space, labels.names, labels.words
        )

    def neuron(self, neuron: str | int) -> IndexedNeuron:
        """Return the description of one neuron, ``site:unit`` or a flat index.

        Raises:
            ParameterError: no such neuron, or one of its values is not finite.
            ModelError: a named neuron is not in the store.
        """
        return self._neurons.neuron(int(self._space.indices([neuron])[0]))


class _ComputedRows:
    """Rows of an index that are computed when they are read."""

    def __init__(
        self, activations: Activations, options: IndexOptions, read: Callable[[int], np.ndarray]
    ) -> None:
        self._activations, self._read = activations, read
        self._present = np.flatnonzero(activations.present)
        types = WordTypes.of(activations)
        self.labels = KeptLabels.of(activations, options)
        self.rows = Rows(
            words=len(types.pieces),
            neurons=1,
            pieces=types.n_pieces,
            labels=len(self.labels.names),
            tile=1,
            options=options,
        )
        self._work = NeuronWork(types, self.labels, self.rows, activations.corpus, self._present)

    def read(self, number: int) -> np.ndarray:
        """Return the row of a neuron, (1,)."""
        values = np.ascontiguousarray(self._read(number)[self._present])
        require_finite_columns(self._activations, values[:, None])
        record = np.zeros(1, dtype=self.rows.neuron)
        self._work.describe(values, 0, record, TileSums(self.rows))
        return record
