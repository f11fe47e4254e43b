"""Ask whether SmolLM2's first neurons for grammatical number carry subject-verb agreement.

The MLP neurons of three layers are ranked for ``Number`` on words of EWT. Edits of the first of them, and of
random neurons of the same layers, are measured by minimal pairs of BLiMP.
"""

# peers:
# what: the top LCA neurons for number against matched random ones, by minimal pairs of BLiMP, in SmolLM2

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from _minilm import corpus, corpus_path
from _smollm2 import smollm2_folder

import onegrain as og

LAYERS = ["layers.12.mlp", "layers.16.mlp", "layers.20.mlp"]
AGREEMENT = [
    "regular_plural_subject_verb_agreement_1",
    "irregular_plural_subject_verb_agreement_1",
    "distractor_agreement_relational_noun",
    "determiner_noun_agreement_1",
]
OTHER = ["anaphor_gender_agreement"]
"""A paradigm that is not about number."""
PAIRS = int(os.environ.get("ONEGRAIN_BENCH_PAIRS", "100"))
SENTENCES, COUNTS, ORDERS = 300, (50, 200), 5
EDITS = ("zero", "mean")


def blimp(paradigm: str):
    """Read the first pairs of a paradigm of BLiMP."""
    folder = corpus_path("dev").parents[2] / "blimp"
    path = folder / f"{paradigm}.jsonl"
    if not path.is_file():
        raise SystemExit(f"no BLiMP at {folder}; set ONEGRAIN_DATA to the corpora's folder")
    return og.read_corpus(path, limit=PAIRS)


def table(sweep) -> pd.DataFrame:
    """Return one row per paradigm, edit and number of neurons: the share of pairs that the model gets right."""
    tests = og.significance(sweep).against_random.set_index(["metric", "edit"])
    rows = []
    for (metric, edit), test in tests.iterrows():
        curve = sweep.curve("lca", metric=metric, edit=edit)
        for count in COUNTS:
            top, random = (curve.line(line).set_index("neurons").loc[count] for line in ("top", "random"))
            rows.append(
                {
                    "paradigm": metric, "edit": edit, "neurons": count, "intact": curve.intact,
                    "top": top["value"], "top_low": top["low"], "top_high": top["high"],
                    "random": random["value"], "random_least": random["low"], "random_most": random["high"],
                    "gap": test["gap"], "gap_low": test["low"], "gap_high": test["high"], "q": test["q"],
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    """Print the table, and the JSON line."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        model = og.load_model(smollm2_folder())
        store = og.extract(model, corpus("dev", SENTENCES), Path(folder) / "number.zarr", sites=LAYERS)
        number = og.rank("lca", store, label="Number", lambda1=[1e-3], lambda2=[1e-3])
        sweep = og.sweep(
            model,
            {"lca": number},
            {paradigm: og.MinimalPairs(blimp(paradigm)) for paradigm in (*AGREEMENT, *OTHER)},
            EDITS,
            counts=COUNTS,
            lines=("top", "random"),
            random_orders=ORDERS,
            reference=og.neuron_statistics(store, samples=0),
        )
    rows = table(sweep)
    sys.stderr.write(rows.round(3).to_string(index=False) + "\n")
    figures = {
        "seconds": time.perf_counter() - start,
        "words": number.details["train"]["words"],
        "accuracy": number.details["evaluation"]["full"]["accuracy"],
        "majority": number.details["evaluation"]["majority"],
        "neurons": len(number.order),
        "pairs": PAIRS,
        "rows": rows.to_dict("records"),
    }
    ratios = {
        f"{edit}_lower_than_every_random_set": float((part["top"] < part["random_least"]).mean())
        for edit, part in rows[rows["paradigm"].isin(AGREEMENT)].groupby("edit")
    }
    print(json.dumps({"name": "agreement", "ratios": ratios, "figures": figures}))


if __name__ == "__main__":
    main()
