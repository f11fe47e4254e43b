"""The index of a store: everything that a page about a neuron shows, read in milliseconds."""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from onegrain.activations import open_activations
from onegrain.analyses.neurons.columns import WordTypes
from onegrain.core.describing import Described
from onegrain.core.sealing import reading
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.indexed_neuron import IndexedNeuron, IndexStatistics
from onegrain.records.space import NeuronSpace
from onegrain.searching.labels import layer_digest
from onegrain.searching.layout import GROUPS, KIND, LABELS, NEURONS, Rows
from onegrain.searching.options import IndexOptions
from onegrain.searching.reading import IndexedNeurons
from onegrain.searching.sealed import SignedFile, read_index_header, read_statistics, require_store, sizes_of

__all__ = ["NeuronIndex", "index_path"]

SUFFIX = ".index"


def index_path(store: str | os.PathLike[str] | Activations) -> Path:
    """Return the folder in which the index of a store is kept by default.

    It lies beside a store on a local disk: ``ewt.index`` beside ``ewt.zarr``. The index of a store at a URL is
    kept in the user's cache folder, ``$XDG_CACHE_HOME/onegrain`` or ``~/.cache/onegrain``.

    Raises:
        ParameterError: the activations are in memory, so that nothing lies beside them.
    """
    place = store.path if isinstance(store, Activations) else os.fspath(store)
    if place is None:
        raise ParameterError("activations in memory have no index; write them to a store, and index that")
    if "://" not in str(place):
        path = Path(place)
        return path.with_suffix(SUFFIX) if path.suffix == ".zarr" else path.with_name(path.name + SUFFIX)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "onegrain" / f"{hashlib.sha256(str(place).encode()).hexdigest()[:32]}{SUFFIX}"


class NeuronIndex(Described):
    """The index of a store: everything that a page about a neuron shows, and what makes a search fast.

    It is opened by :meth:`open`, made by :func:`onegrain.index_neurons`, and holds only the statistics of all
    neurons in memory.

    Attributes:
        path: the folder of the index.
        activations: the store.
        options: how much of each neuron is kept.
        statistics: statistics of all neurons.
        labels: layer and label of each label that is kept, layer after layer.
        left_out: layer -> number of its labels that are not kept, because they are rare.
    """

    def __init__(self, path: Path, activations: Activations, header: dict[str, Any], rows: Rows) -> None:
        self.path = path
        self.activations = activations
        self.options: IndexOptions = rows.options
        self.rows = rows
        self.columns = read_statistics(path, header, rows)
        self.labels = tuple((str(layer), str(label)) for layer, label in header["labels"])
        self.label_words = np.array(header["label_words"], dtype=np.int64)
        self.left_out: dict[str, int] = dict(header["left_out"])
        self._layers: dict[str, str] = dict(header["layers"])
        self.groups = SignedFile(path / GROUPS, rows.group)
        self.label_rows = SignedFile(path / LABELS, rows.label)
        names = ("mean", "std", "minimum", "maximum")
        self.statistics = IndexStatistics(
            words=rows.words,
            **{name: self.columns[name] for name in names},
            share_positive=self.columns["above"] / rows.words,
            share_negative=self.columns["below"] / rows.words,
            constant=self.columns["std"] == 0,
        )
        self._neurons = IndexedNeurons(
            SignedFile(path / NEURONS, rows.neuron),
            rows,
            activations.corpus,
            activations.space,
            self.labels,
            self.label_words,
        )

    @classmethod
    def open(
        cls, store: str | os.PathLike[str] | Activations, path: str | os.PathLike[str] | None = None
    ) -> NeuronIndex:
        """Open the index of a store; nothing but the statistics of all neurons is read.

        Args:
            store: the store that was indexed, its path or its URL.
            path: the index; by default the one beside the store, see :func:`index_path`.

        Raises:
            RecordError: the store or the index is missing or damaged.
            MismatchError: the index is of another store, or of the store before it was written anew.
            ParameterError: the activations are in memory, or a part of a store.
        """
        activations = store if isinstance(store, Activations) else open_activations(store)
        place = index_path(activations) if path is None else Path(path)
        if activations.path is None or activations.columns is not None:
            raise ParameterError(
                f"an index is of a whole store, but {activations.describe()} is in memory or restricted to "
                "some sites"
            )
        with reading(place, KIND):
            header = read_index_header(place)
            index = cls(place, activations, header, sizes_of(place, header))
        require_store(place, header, activations)
        return index

    @property
    def space(self) -> NeuronSpace:
        """The neurons of the store."""
        return self.activations.space

    @cached_property
    def types(self) -> WordTypes:
        """The types of the words, and the pieces in which the sums of each are kept."""
        return WordTypes.of(self.activations)

    def __len__(self) -> int:
        return self.space.size

    def neuron(self, neuron: str | int) -> IndexedNeuron:
        """Return what the index knows about one neuron, ``site:unit`` or a flat index.

        Its row is read and verified; nothing else is.

        Raises:
            ParameterError: no such neuron.
            ModelError: a named neuron is not in the store.
            RecordError: the row is damaged.
        """
        return self._neurons.neuron(int(self.space.indices([neuron])[0]))

    def label_number(self, layer: str, label: str) -> int | None:
        """Return the number of a label among those that are kept; None if it is not, or was changed since."""
        if (layer, label) not in self.labels:
            return None
        present = layer_digest(self.activations.layer(layer))
        return self.labels.index((layer, label)) if self._layers.get(layer) == present else None

    def summary(self) -> dict[str, Any]:
        """Return the facts: the store, its words and neurons, and the labels that are kept."""
        model = self.activations.provenance.subject()
        return {
            "record": KIND,
            "model": model.id if model else None,
            "store": self.activations.describe(),
            "words": self.rows.words,
            "word types": len(self.types.types),
            "neurons": self.space.describe(),
            "constant neurons": int(self.statistics.constant.sum()),
            "labels": len(self.labels),
            "labels left out": sum(self.left_out.values()),
            "size in MiB": round(sum(self.rows.sizes().values()) / 2**20),
        }
