"""Compare MaxCorr with a matrix product and NumPy; measure its memory and the cost of ten times the words."""

# peers:
# what: MaxCorr as a share of the peak of single-precision products, numpy.corrcoef, ten times the words, memory

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

import onegrain as og
from onegrain.activations.store.writer import StoreContent, write_store
from onegrain.records.provenance import CorpusIdentity, ModelIdentity, Provenance

SHARE = float(os.environ.get("ONEGRAIN_BENCH_SHARE", "1"))
"""Of the words that are read, for a quick look."""
WORDS, NEURONS = int(100_000 * SHARE), 4096
TENTH, NARROW = int(32_768 * SHARE), 1024
WIDE_WORDS, WIDE, BUDGET = 2048, 36_864, "4GiB"
ROUNDS = 3

# Each child says how long the work took (numpy's is without reading), and its own peak (VmHWM of Linux).
CHILD = """
import json, sys, time
from pathlib import Path
import numpy as np
import onegrain as og
what, memory, *paths = sys.argv[1:]
stores = [og.open_activations(path) for path in paths]
if what == "numpy":
    one, two = (store.values().T for store in stores)
    start = time.perf_counter()
    table = np.abs(np.corrcoef(one, two)[: len(one), len(one) :])
    score = table.max(axis=1)
else:
    start = time.perf_counter()
    score = og.rank("maxcorr", stores[0], others=stores[1:], memory=memory or None).scores
seconds = time.perf_counter() - start
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps({"seconds": seconds, "peak": peak, "score": score[:1000].tolist()}))
"""


def say(what: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {what}\n")
    sys.stderr.flush()


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def child(what: str, *stores: Path, memory: str = "") -> dict:
    command = [sys.executable, "-c", CHILD, what, memory, *map(str, stores)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def peak() -> float:
    """Return the floating-point operations per second of a large square float32 product, the best of five."""
    left, right = (torch.randn(NEURONS, NEURONS) for _ in range(2))
    out = torch.empty(NEURONS, NEURONS)
    return 2 * NEURONS**3 / min(seconds(lambda: torch.mm(left, right, out=out)) for _ in range(5))


def corpus(words: int) -> og.Corpus:
    return og.Corpus.from_sentences(
        [[f"w{word % 997}" for word in range(start, min(start + 20, words))] for start in range(0, words, 20)]
    )


def activations(words: int, neurons: int, seed: int) -> og.Activations:
    """Return random activations with the identity of a separate model."""
    values = np.random.default_rng(seed).standard_normal((words, neurons), dtype=np.float32)
    space = og.NeuronSpace(tuple(f"layers.{layer}" for layer in range(4)), (neurons // 4,) * 4)
    unnamed = og.Activations.from_array(values, corpus(words), space)
    identity = ModelIdentity(id=f"random-{seed}", architecture="Random", weight_hash=str(seed))
    return replace(unnamed, provenance=unnamed.provenance.model_copy(update={"model": identity}))


def store(folder: Path, words: int, neurons: int, seed: int) -> Path:
    """Write such activations to a finished store, block by block."""
    text, rng = corpus(words), np.random.default_rng(seed)
    space = og.NeuronSpace(tuple(f"layers.{layer}" for layer in range(4)), (neurons // 4,) * 4)
    identity = ModelIdentity(id=f"random-{seed}", architecture="Random", weight_hash=str(seed))
    provenance = Provenance(stage="memory", model=identity, corpus=CorpusIdentity.of(text), sites=space.sites)
    path = folder / f"{words}-{neurons}-{seed}.zarr"
    blocks = (
        rng.standard_normal((min(1024, words - start), neurons), dtype=np.float32)
        for start in range(0, words, 1024)
    )
    write_store(path, StoreContent(text, space, provenance, "float32"), blocks, force=False)
    return path


def shares(folder: Path, ratios: dict, figures: dict) -> None:
    """Measure MaxCorr of three models as a share of the peak, alternating with it."""
    models = [activations(WORDS, NEURONS, seed) for seed in range(3)]
    operations = 2 * 2 * WORDS * NEURONS**2
    peaks, spent = [], []
    for _ in range(ROUNDS):
        peaks.append(peak())
        spent.append(seconds(lambda: og.rank("maxcorr", models[0], others=models[1:])))
    ratios["peak_share_memory"] = operations / median(spent) / median(peaks)
    figures |= {"peak_gflops": [round(speed / 1e9, 1) for speed in peaks], "memory_seconds": spent}
    del models
    say("from disk")
    paths = [store(folder, WORDS, NEURONS, seed) for seed in range(3)]
    opened = [og.open_activations(path) for path in paths]
    peaks, spent = [], []
    for _ in range(ROUNDS):
        peaks.append(peak())
        spent.append(seconds(lambda: og.rank("maxcorr", opened[0], others=opened[1:])))
    ratios["peak_share_disk"] = operations / median(spent) / median(peaks)
    figures |= {"peak_gflops_disk": [round(speed / 1e9, 1) for speed in peaks], "disk_seconds": spent}
    say("numpy.corrcoef on a pair")
    theirs, ours = child("numpy", *paths[:2]), child("maxcorr", *paths[:2])
    ratios["vs_numpy"] = theirs["seconds"] / ours["seconds"]
    figures |= {
        "numpy_seconds": theirs["seconds"],
        "pair_seconds": ours["seconds"],
        "numpy_peak_gib": theirs["peak"] / 2**30,
        "pair_peak_gib": ours["peak"] / 2**30,
        "memory_of_numpy": ours["peak"] / theirs["peak"],
        "most_that_scores_differ": float(np.abs(np.subtract(theirs["score"], ours["score"])).max()),
    }


def tenfold(folder: Path, ratios: dict, figures: dict) -> None:
    """Measure time and peak memory of fresh processes for some words and for ten times as many."""
    few, many = ([store(folder, words, NARROW, seed) for seed in range(2)] for words in (TENTH, 10 * TENTH))
    small, large = ([child("maxcorr", *paths) for _ in range(ROUNDS)] for paths in (few, many))
    ratios["time_10x"] = median(run["seconds"] for run in large) / median(run["seconds"] for run in small)
    ratios["rss_10x"] = median(run["peak"] for run in large) / median(run["peak"] for run in small)
    for name, runs in (("tenth", small), ("tenfold", large)):
        figures[f"{name}_seconds"] = [run["seconds"] for run in runs]
        figures[f"{name}_peak_gib"] = [run["peak"] / 2**30 for run in runs]


def wide(folder: Path, figures: dict) -> None:
    """Rank as many neurons as all feed-forward layers of GPT-2 small have, within a memory budget."""
    run = child("maxcorr", *(store(folder, WIDE_WORDS, WIDE, seed) for seed in range(2)), memory=BUDGET)
    figures |= {"wide_neurons": WIDE, "wide_seconds": run["seconds"], "wide_peak_gib": run["peak"] / 2**30}


def main() -> None:
    ratios: dict[str, float] = {}
    figures: dict[str, object] = {"threads": torch.get_num_threads(), "words": WORDS, "neurons": NEURONS}
    with tempfile.TemporaryDirectory() as place:
        say("from memory")
        shares(Path(place), ratios, figures)
    with tempfile.TemporaryDirectory() as place:
        say("ten times the words")
        tenfold(Path(place), ratios, figures)
    with tempfile.TemporaryDirectory() as place:
        say("as wide as the feed-forward layers of GPT-2 small")
        wide(Path(place), figures)
    print(json.dumps({"name": "crossmodel", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
