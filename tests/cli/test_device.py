"""The whole path on a device: from a model to an evaluated ranking, its stability and its ablation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import onegrain as og
from support.commands import RANK, Run
from support.tiny import tiny_nlm

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device"),
    ),
]


def path_on(run: Run, inputs: Path, folder: Path, device: str) -> dict[str, Any]:
    """Run every verb that takes a device on it, and return the numbers that the records hold."""

    def called(*arguments: object) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    where = ("--device", device)
    text = (inputs / "words.txt", "--labels", f"kind={inputs / 'words.kind'}")
    for name in ("words.txt", "words.kind"):
        lines = (inputs / name).read_text().splitlines()
        (folder / name).write_text("".join(" ".join(line.split()[::-1]) + "\n" for line in lines))
    held = (folder / "words.txt", "--labels", f"kind={folder / 'words.kind'}")
    stores = folder / "words.zarr", folder / "other.zarr", folder / "held.zarr"
    called("extract", inputs / "nlm", *text, "--out", stores[0], *where)
    called("extract", tiny_nlm(folder / "model", seed=5), *text, "--out", stores[1], *where)
    called("extract", inputs / "nlm", *held, "--out", stores[2], *where)
    probe, shared = folder / "lca.parquet", folder / "maxcorr.parquet"
    called("rank", "lca", stores[0], "--out", probe, *RANK, *where)
    called("rank", "maxcorr", stores[0], "--others", stores[1], "--out", shared, *where)
    drawn = [
        called(
            "analyse", "stability", ranking, stores[0], "--out", folder / name, "--resamples", 2, *more, *where
        )
        for ranking, name, more in (
            (probe, "lca-stability.parquet", ()),
            (shared, "maxcorr-stability.parquet", ("--others", stores[1])),
        )
    ]
    erasing = ("--metric", "perplexity", "--steps", 2, "--random-orders", 1, "--limit", 8)
    called(
        "ablate", inputs / "nlm", probe, inputs / "words.txt", *erasing, "--out", folder / "c.parquet", *where
    )
    judged = ("--train", stores[0], "--test", stores[2], "--set", "lambda2=0.001", "--counts", "4,16")
    table = called("compare", probe, shared, *judged, "--label", "kind", *where)["rows"]
    similar = called("similarity", stores[0], stores[1], *where)["rows"]
    lca, curve = og.Ranking.load(probe), og.Curve.load(folder / "c.parquet")
    return {
        "values": og.open_activations(stores[0]).values().mean(axis=0),
        "objective": lca.details["solution"]["objective"],
        "accuracy": lca.details["evaluation"]["full"]["accuracy"],
        "maxcorr": og.Ranking.load(shared).scores,
        "stability": [row["jaccard"] for rows in drawn for row in rows["rows"]],
        "intact": curve.intact,
        "erased": curve.line("top")["value"].to_numpy()[-1],
        "retraining": [row["retraining"] for row in table if row["retraining"] is not None],
        "similarity": [row["cka"] for row in similar],
    }


@pytest.mark.parametrize("device", DEVICES)
def test_every_verb_runs_on_the_device_and_agrees_with_the_cpu(
    run: Run, inputs: Path, tmp_path: Path, device: str
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    expected = path_on(run, inputs, tmp_path / "first", "cpu")
    results = path_on(run, inputs, tmp_path / "second", device)
    for name, values in expected.items():
        loose = {"accuracy": 0.05, "retraining": 0.05, "stability": 0.3}.get(name, 1e-3)
        np.testing.assert_allclose(results[name], values, rtol=loose, atol=1e-4, err_msg=name)
