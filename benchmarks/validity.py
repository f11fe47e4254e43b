"""Simulate p-values, intervals and spreads on noise and planted data whose truth is known.

``python benchmarks/validity.py [nulls|stability|intervals] [REPEATS]``; all three by default.
"""

# peers:
# what: how often noise gives discoveries under each null; how often spreads and intervals hold the truth

from __future__ import annotations

import json
import sys

import numpy as np
import torch

import onegrain as og
from onegrain.evaluation import stability
from onegrain.records.activations import Activations

SENTENCES, NEURONS, DRAWS = 100, 60, 100
NOISES = [
    (True, 0.0, None),
    (True, 0.3, None),
    (False, 0.3, None),
    (False, 0.6, 3),
    (False, 0.3, 2),
]
"""Whether sentences are of one length; the correlation of two words of a sentence; degrees of freedom of t."""


def noise(rng: np.random.Generator, lengths: np.ndarray, shared: float, tail: int | None) -> Activations:
    """Return values that depend only on their sentence; one neuron is a hundred times as large."""

    def draw(rows: int) -> np.ndarray:
        shape = rows, NEURONS
        return rng.normal(size=shape) if tail is None else rng.standard_t(tail, size=shape)

    sentence = np.repeat(np.arange(len(lengths)), lengths)
    values = np.sqrt(1 - shared) * draw(len(sentence)) + np.sqrt(shared) * draw(len(lengths))[sentence]
    values[:, 0] *= 100.0
    corpus = og.Corpus.from_sentences([[f"w{word}" for word in range(length)] for length in lengths])
    return Activations.from_array(values.astype(np.float32), corpus)


def discoveries(even: bool, shared: float, tail: int | None, null: str, pooled: bool, repeats: int) -> dict:
    """Return how often two models of pure noise have a neuron with q <= 0.05, and the share with p <= 0.05."""
    some, small = [], []
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, 17])
        lengths = np.full(SENTENCES, 10) if even else rng.integers(3, 30, SENTENCES)
        first, second = noise(rng, lengths, shared, tail), noise(rng, lengths, shared, tail)
        ranking = og.rank("maxcorr", first, others=[second], null=null, draws=DRAWS, pooled=pooled, seed=repeat)
        p, q = (np.array(ranking.details["null"][name], dtype=float) for name in ("p", "q"))
        some.append((q <= 0.05).any())
        small.append((p <= 0.05).mean())
    return {"discoveries": float(np.mean(some)), "p<=0.05": float(np.mean(small))}


def nulls(repeats: int) -> dict[str, float]:
    print("| sentences | shared | tails | permutation | pooled | rotation | pooled |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    largest = 0.0
    for even, shared, tail in NOISES:
        row = [f"{'10' if even else '3-29'} words", f"{shared:g}", "normal" if tail is None else f"t, {tail}"]
        for null in ("permutation", "rotation"):
            for pooled in (False, True):
                counts = discoveries(even, shared, tail, null, pooled, repeats)
                largest = max(largest, counts["discoveries"])
                row.append(f"{counts['discoveries']:.0%} ({counts['p<=0.05']:.3f})")
        print("|", " | ".join(row), "|", flush=True)
    return {"largest_share_with_discoveries": largest}


def fresh(seed: int) -> og.Ranking:
    """Return a ranking on another corpus of the same language: the same neurons, but other words."""
    return og.rank("lca", corpus(seed), label="upos", **PENALTIES)


def corpus(seed: int) -> Activations:
    return og.planted(120, length=6, strength=1.5, words_seed=seed).activations


PENALTIES = {"lambda1": 3e-3, "lambda2": 1e-3, "evaluate": False}


def spreads(repeats: int) -> dict[str, float]:
    """Print how often the middle 95 % of a corpus's draws contain a neuron's rank on fresh corpora."""
    others = [fresh(1000 + number) for number in range(30)]
    places = np.stack([_places(ranking) for ranking in others])
    typical = np.median(places, axis=0)
    held: dict[str, list[float]] = {}
    for repeat in range(repeats):
        activations = corpus(repeat)
        ranking = og.rank("lca", activations, label="upos", **PENALTIES)
        spread = stability(ranking, activations, resamples=40, k=[5], seed=repeat)
        first = ranking.order[:8]
        for kind in ("bootstrap", "halves"):
            table = spread.of(kind).set_index("neuron")
            low, high = (table.loc[first, side].to_numpy() for side in ("low", "high"))
            inside = (places[:, first] >= low) & (places[:, first] <= high)
            held.setdefault(f"{kind}: rank on a fresh corpus", []).append(inside.mean())
            middle = (typical[first] >= low) & (typical[first] <= high)
            held.setdefault(f"{kind}: median rank over fresh corpora", []).append(middle.mean())
            row = spread.at(kind).iloc[0]
            truth = _phi(others, 5)
            held.setdefault(f"{kind}: Phi of two fresh corpora", []).append(row["low"] <= truth <= row["high"])
    print("| spread of 95 % of the draws holds | how often |\n| --- | --- |")
    for name, shares in held.items():
        print(f"| {name} | {np.mean(shares):.0%} |", flush=True)
    return {name: float(np.mean(shares)) for name, shares in held.items()}


def _places(ranking: og.Ranking) -> np.ndarray:
    places = np.empty(len(ranking.order))
    places[ranking.order] = np.arange(1, len(ranking.order) + 1)
    return places


def _phi(rankings: list[og.Ranking], k: int) -> float:
    from onegrain.core.selection import selection_stability

    chosen = np.stack(
        [(_places(ranking) <= k) & (_places(ranking) <= ranking.n_ranked) for ranking in rankings]
    )
    return selection_stability(chosen)[0]


def intervals(repeats: int) -> dict[str, float]:
    """Print how often bootstrap intervals of a correlation and an accuracy contain the true value."""
    true, held = 0.6, {"MaxCorr of a true partner": [], "MaxCorr without a partner": []}
    for repeat in range(repeats):
        rng = np.random.default_rng([repeat, 5])
        lengths = rng.integers(3, 30, SENTENCES)
        first, second = noise(rng, lengths, 0.3, None), noise(rng, lengths, 0.3, None)
        values = second.values().copy()
        values[:, 1] = true * first.values()[:, 1] + np.sqrt(1 - true**2) * values[:, 1]
        second = Activations.from_array(values, second.corpus)
        interval = og.rank("maxcorr", first, others=[second], resamples=200, seed=repeat).details["interval"]
        low, high = (np.array(interval[side]) for side in ("low", "high"))
        held["MaxCorr of a true partner"].append(low[1] <= true <= high[1])
        held["MaxCorr without a partner"].append((low[2:] <= 0.0).mean())
    print("| 95 % interval | holds the truth |\n| --- | --- |")
    for name, shares in held.items():
        print(f"| {name} | {np.mean(shares):.0%} |", flush=True)
    return {name: float(np.mean(shares)) for name, shares in held.items()}


def main(asked: list[str]) -> None:
    torch.set_num_threads(1)
    names = [name for name in asked if not name.isdigit()] or ["nulls", "stability", "intervals"]
    repeats = next((int(name) for name in asked if name.isdigit()), 100)
    figures = {}
    for name in names:
        print(f"\n{name}, {repeats} repeats\n")
        figures |= {"nulls": nulls, "stability": spreads, "intervals": intervals}[name](repeats)
    print(json.dumps({"name": "validity", "ratios": {}, "figures": figures}))


if __name__ == "__main__":
    main(sys.argv[1:])
