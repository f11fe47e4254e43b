"""The index of a store: everything that a page about a neuron shows, read in milliseconds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from onegrain.activations import open_activations
from onegrain.analyses import neuron_cards
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.indexed_neuron import IndexedLabel, IndexedNeuron, IndexStatistics, QuantileSample
from onegrain.records.neuron_card import CardContext
from onegrain.records.space import NeuronSpace
from onegrain.searching.options import IndexOptions

__all__ = ["NeuronIndex", "index_path"]

SHARES = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
"""The shares of the words at which the quantiles of a neuron are kept."""
LABEL_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The shares of a label's words at which its quantiles are kept."""
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
        return Path(place).with_suffix(SUFFIX)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "onegrain" / f"{hashlib.sha256(str(place).encode()).hexdigest()[:32]}{SUFFIX}"


class NeuronIndex:
    """The index of a store: everything that a page about a neuron shows, and what makes a search fast.

    Attributes:
        path: the folder of the index.
        activations: the store.
        options: how much of each neuron is kept.
        statistics: statistics of all neurons.
        labels: layer and label of each label that is kept, layer after layer.
        left_out: layer -> number of its labels that are too rare to be kept.
    """

    def __init__(self, path: Path, activations: Activations, options: IndexOptions) -> None:
        self.path = path
        self.activations = activations
        self.options = options
        values = activations.values()[activations.present].astype(np.float64)
        self.statistics = IndexStatistics(
            words=len(values),
            mean=values.mean(axis=0),
            std=values.std(axis=0),
            minimum=values.min(axis=0),
            maximum=values.max(axis=0),
            share_positive=(values > 0).mean(axis=0),
            share_negative=(values < 0).mean(axis=0),
            constant=values.min(axis=0) == values.max(axis=0),
        )
        counts = [
            (layer.name, label, int((layer.codes[activations.present] == code).sum()))
            for layer in sorted(activations.corpus.layers.values(), key=lambda layer: layer.name)
            for code, label in enumerate(layer.vocabulary)
        ]
        kept = sorted((c for c in counts if c[2] >= options.min_words), key=lambda c: -c[2])
        kept = kept[: options.max_labels]
        self.labels = tuple(c[:2] for c in counts if c in kept)
        self.left_out = {
            name: sum(c[0] == name for c in counts) - sum(c[0] == name for c in self.labels)
            for name in activations.corpus.layers
        }

    @classmethod
    def open(
        cls, store: str | os.PathLike[str] | Activations, path: str | os.PathLike[str] | None = None
    ) -> NeuronIndex:
        """Open the index of a store.

        Args:
            store: the store that was indexed, its path or its URL.
            path: the index; by default the one beside the store, see :func:`index_path`.
        """
        activations = store if isinstance(store, Activations) else open_activations(store)
        place = index_path(activations) if path is None else Path(path)
        return cls(place, activations, IndexOptions())

    @property
    def space(self) -> NeuronSpace:
        """The neurons of the store."""
        return self.activations.space

    def __len__(self) -> int:
        return self.space.size

    def neuron(self, neuron: str | int) -> IndexedNeuron:
        """Return what the index knows about one neuron, ``site:unit`` or a flat index.

        Raises:
            ParameterError: no such neuron.
            ModelError: a named neuron is not in the store.
        """
        number = int(self.space.indices([neuron])[0])
        activations, options, corpus = self.activations, self.options, self.activations.corpus
        present = np.flatnonzero(activations.present)
        values = activations.neuron(number)[present].astype(np.float64)
        card = neuron_cards(activations, [number], n=options.n).cards[0]
        order = np.argsort(values, kind="stable")
        edges = np.histogram_bin_edges(values, options.bins)
        middle, labels = rankdata(values), []
        for layer, label in self.labels:
            mask = np.isin(present, activations.words_of(layer, label))
            inside, outside = int(mask.sum()), int((~mask).sum())
            u = middle[mask].sum() - inside * (inside + 1) / 2
            labels.append(
                IndexedLabel(
                    layer=layer,
                    label=label,
                    words=inside,
                    mean=float(values[mask].mean()),
                    std=float(values[mask].std()),
                    quantiles=tuple(np.quantile(values[mask], LABEL_SHARES).tolist()),
                    counts=tuple(np.histogram(values[mask], edges)[0].tolist()),
                    auroc=float(u / (inside * outside)) if outside else None,
                )
            )
        std = card.statistics.std
        samples = []
        bounds = np.linspace(0, len(values), options.ranges + 1).round().astype(int).tolist()
        for number_of_range, positions in enumerate(options.sampled_positions(len(values))):
            start, end = bounds[number_of_range : number_of_range + 2]
            contexts = []
            for place in order[positions].tolist():
                row = int(present[place])
                sentence = int(corpus.sentence_of_word[row])
                position = row - int(corpus.offsets[sentence])
                words = corpus.sentence(sentence)
                contexts.append(
                    CardContext(
                        word=corpus.words[row],
                        deviation=(values[place] - card.statistics.mean) / std if std else 0.0,
                        value=values[place],
                        sentence=sentence,
                        position=position,
                        left=" ".join(words[max(0, position - 6) : position]),
                        right=" ".join(words[position + 1 : position + 7]),
                    )
                )
            samples.append(
                QuantileSample(
                    low=start / len(values),
                    high=end / len(values),
                    minimum=float(values[order[start]]),
                    maximum=float(values[order[end - 1]]),
                    contexts=tuple(contexts),
                )
            )
        return IndexedNeuron(
            neuron=number,
            site=card.site,
            unit=card.unit,
            statistics=card.statistics,
            quantiles=tuple(zip(SHARES, np.quantile(values, SHARES).tolist(), strict=True)),
            edges=tuple(edges.tolist()),
            counts=tuple(np.histogram(values, edges)[0].tolist()),
            labels=tuple(labels),
            high=card.high,
            low=card.low,
            samples=tuple(samples),
        )
