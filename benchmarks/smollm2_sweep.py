"""Sweep the MLP neurons of three layers of SmolLM2, ranked for parts of speech, under two kinds of edit.

The figures are those of docs/sweeps.md.
"""

# peers:
# what: perplexity of SmolLM2 without the first neurons of two rankings and without random ones, by two edits

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from _minilm import corpus
from _smollm2 import smollm2_folder

import onegrain as og

LAYERS = ["layers.20.mlp", "layers.24.mlp", "layers.28.mlp"]
METHODS = ["probeless", "f-statistic"]
EDITS = ("zero", "mean")
SHARES, ORDERS = (0.05, 0.3), 3
WORDS_OF = 200
"""Number of sentences of EWT dev, by whose words the neurons are ranked and their means taken."""
SENTENCES = int(os.environ.get("ONEGRAIN_BENCH_SENTENCES", "40"))
"""Number of sentences of EWT test on which the model is measured."""


def points(sweep) -> pd.DataFrame:
    """Return one row per edit and number of neurons: the perplexity of each line, the mean of random orders."""
    rows = []
    for edit in EDITS:
        curves = {name: sweep.curve(name, edit=edit) for name in METHODS}
        for share in SHARES:
            count = max(1, round(share * sweep.sizes[METHODS[0]]))
            row = {"edit": edit, "neurons": count}
            for name, curve in curves.items():
                for line in ("top", "random"):
                    row[f"{name} {line}"] = curve.line(line).set_index("neurons").loc[count, "value"]
            rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Print the tables, and the JSON line."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model = og.load_model(smollm2_folder())
        store = og.extract(model, corpus("dev", WORDS_OF), Path(folder) / "words.zarr", sites=LAYERS)
        rankings = og.rank_together(METHODS, store, label="upos")
        ranked = time.perf_counter()
        sweep = og.sweep(
            model,
            rankings,
            og.Perplexity(corpus("test", SENTENCES)),
            EDITS,
            shares=SHARES,
            lines=("top", "random"),
            random_orders=ORDERS,
            reference=og.neuron_statistics(store, samples=0),
        )
    measured = time.perf_counter()
    tests, agreement = og.significance(sweep), og.robustness(sweep)
    tables = {
        "points": points(sweep),
        "against_random": tests.against_random.dropna(axis="columns", how="all"),
        "differences": tests.differences.dropna(axis="columns", how="all"),
        "robustness": agreement.overall,
    }
    for table in tables.values():
        sys.stderr.write(table.round(4).to_string(index=False) + "\n\n")
    figures = {
        "seconds": measured - start,
        "sweep_seconds": measured - ranked,
        "intact": sweep.curve(METHODS[0], edit="zero").intact,
        "neurons": sweep.sizes[METHODS[0]],
        **{name: table.to_dict("records") for name, table in tables.items()},
    }
    print(json.dumps({"name": "smollm2_sweep", "ratios": {}, "figures": figures}, default=float))


if __name__ == "__main__":
    main()
