"""Stores with all that is awkward: missing words, constant neurons, ties, signed zeros, one huge value."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from onegrain.activations import open_activations
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import StoreContent, StoreWriter
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.provenance import CorpusIdentity, ModelIdentity, Provenance
from onegrain.records.space import NeuronSpace
from onegrain.searching import NeuronIndex

NEURONS = 150
CONSTANT, TIED, ZEROS, HUGE, FOLLOWS = 3, 4, 5, 6, 7


def corpus_of(seed: int) -> Corpus:
    """Return 300 sentences of words with a Zipf-like distribution, with two layers of labels."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 9, 300)
    numbers = np.minimum(rng.zipf(1.4, lengths.sum()), 90)
    words = [f"{'ing' if number % 3 == 0 else 'w'}{number}" for number in numbers.tolist()]
    edges = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    sentences = [words[start:stop] for start, stop in pairwise(edges)]
    corpus = Corpus.from_sentences(sentences, source="zipf")
    classes = ["NOUN" if number % 2 else "VERB" for number in numbers.tolist()]
    classes[0] = "RARE"
    position = [str(min(place, 2)) if place < 4 else None for size in lengths for place in range(size)]
    corpus = corpus.with_layer(LabelLayer.from_labels("class", classes))
    return corpus.with_layer(LabelLayer.from_labels("position", position))


def values_of(corpus: Corpus, seed: int) -> np.ndarray:
    """Return values (words, neurons) in which one neuron follows the words that begin with ``ing``."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(corpus.n_words, NEURONS)).astype(np.float32)
    values[:, CONSTANT] = -0.1
    values[:, TIED] = rng.integers(0, 4, corpus.n_words)
    values[:, ZEROS] = np.where(rng.random(corpus.n_words) < 0.5, -0.0, 0.0)
    values[:9, ZEROS] = [1, -1, 1e-38, -1e-38, 0.5, -0.5, 2, -2, 3]
    values[11, HUGE] = 3e37
    values[:, FOLLOWS] -= 2 * np.array([word.startswith("ing") for word in corpus.words])
    return values


@dataclass(frozen=True, eq=False)
class Indexed:
    """A store, its values at the words that have an activation, and its index."""

    activations: Activations
    values: np.ndarray
    index: NeuronIndex


def write(folder: Path, seed: int = 0) -> Activations:
    """Write a store in which five words have no activation."""
    corpus = corpus_of(seed)
    space = NeuronSpace(("layers.0", "layers.1"), (70, NEURONS - 70))
    model = ModelIdentity(id="m", architecture="Planted", weight_hash=str(seed))
    provenance = Provenance(
        stage="extract", model=model, corpus=CorpusIdentity.of(corpus), sites=space.sites, seed=seed
    )
    values = values_of(corpus, seed)
    missing = np.zeros(corpus.n_words, dtype=bool)
    missing[[0, 20, 21, 400, corpus.n_words - 1]] = True
    values[missing] = np.nan
    path = folder / "store.zarr"
    writer = StoreWriter(folder_at(path), StoreContent(corpus, space, provenance, "float32"), force=True)
    try:
        writer.write(values, missing)
        writer.finish(np.flatnonzero(missing))
    finally:
        writer.close()
    return open_activations(path)
