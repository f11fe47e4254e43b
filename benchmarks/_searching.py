"""Synthetic stores of two sizes, and what indexing and searching them takes, for the benchmark ``explorer``."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import numpy as np

import onegrain as og
from onegrain.activations.store.writer import StoreContent, write_store
from onegrain.records.provenance import CorpusIdentity, ModelIdentity

SIZES = {"residual": (200_000, (("layers.0", 5000), ("layers.1", 5000))), "mlp": (20_000, (("mlp", 46_080),))}
"""Words and sites of the stores: one like a residual stream, one like all MLP neurons of SmolLM2."""
SENTENCE, TYPES, LABELS = 20, 30_000, 17
BLOCK_BYTES = 2**27
CONCEPTS = {
    "few words": {"words": [f"w{number}" for number in range(20, 32)]},
    "regex of a tenth of the types": {"regex": r"w\d*7"},
    "regex of half of the types": {"regex": r"w\d*[02468]"},
    "label": {"label": "L3"},
}
"""Concepts that are searched for, from a few words to half of all word types."""


def corpus(words: int, seed: int) -> og.Corpus:
    """Return sentences of words with Zipf's distribution, and a layer of 17 labels."""
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, TYPES + 1)
    numbers = rng.choice(TYPES, size=words, p=share / share.sum()).tolist()
    texts = [f"w{number}" for number in numbers]
    labels = [f"L{number % LABELS}" for number in numbers]
    spans = range(0, words, SENTENCE)
    return og.Corpus.from_sentences(
        [texts[start : start + SENTENCE] for start in spans],
        {"upos": [labels[start : start + SENTENCE] for start in spans]},
        source=f"zipf-{words}",
    )


def write_synthetic(path: Path, words: int, sites: tuple[tuple[str, int], ...], seed: int = 0) -> None:
    """Write a store of normal values; a seventh of the neurons is cut off at 0, which gives many ties."""
    text = corpus(words, seed)
    space = og.NeuronSpace(tuple(name for name, _ in sites), tuple(width for _, width in sites))
    model = ModelIdentity(id="synthetic", architecture="Synthetic", weight_hash=str(seed))
    provenance = og.Provenance(
        stage="extract", model=model, corpus=CorpusIdentity.of(text), sites=space.sites, seed=seed
    )
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK_BYTES // (4 * space.size))

    def blocks():
        for start in range(0, words, step):
            block = rng.standard_normal((min(step, words - start), space.size), dtype=np.float32)
            np.maximum(block[:, ::7], 0, out=block[:, ::7])
            yield block

    write_store(path, StoreContent(text, space, provenance, "float32"), blocks(), force=True)


def timed(function, *arguments, **options):
    """Return the seconds on the clock and of the processor that a call takes, and what it returns."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function(*arguments, **options)
    return time.perf_counter() - wall, time.process_time() - processor, result


def measure_index(path: Path) -> dict[str, float]:
    """Return how long indexing a store takes, how large the index is, and how long one neuron takes to read."""
    wall, processor, index = timed(og.index_neurons, path, force=True)
    opened, _, index = timed(og.NeuronIndex.open, path)
    neurons = np.random.default_rng(0).integers(0, len(index), 300).tolist()
    reads = sorted(timed(index.neuron, neuron)[0] for neuron in neurons)
    return {
        "index_s": wall,
        "index_processor_s": processor,
        "index_gib": sum(file.stat().st_size for file in index.path.iterdir()) / 2**30,
        "open_s": opened,
        "neuron_ms_median": 1e3 * median(reads),
        "neuron_ms_p95": 1e3 * reads[int(0.95 * len(reads))],
    }


def measure_search(path: Path) -> dict[str, float]:
    """Return how long each concept takes, in seconds, with an open store and its index."""
    activations = og.open_activations(path)
    index = og.NeuronIndex.open(activations)
    seconds = {}
    for name, concept in CONCEPTS.items():
        seconds[name] = timed(og.search, activations, index=index, **concept)[0]
    return {
        "search_s": max(seconds.values()),
        **{f"search_s: {name}": value for name, value in seconds.items()},
    }
