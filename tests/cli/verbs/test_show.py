"""Test the verb show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import RANK, Run, extracted
from support.tiny import tiny_opt


@pytest.mark.parametrize(
    ("method", "figure", "parameters"),
    [
        ("gaussian", "accuracy", ("--set", "k=2", "--set", "min_count=2")),
        ("sparse-probing", "mean_f1", ("--set", "k=2", "--set", "min_count=2")),
        ("neurox", "accuracy", ("--set", "epochs=1")),
        ("lca", "accuracy", RANK[:-2]),
    ],
)
def test_rank_and_show_warn_of_what_flatters_a_probe(
    run: Run, inputs: Path, tmp_path: Path, method: str, figure: str, parameters: tuple[str, ...]
) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    for name in ("words.txt", "words.kind"):
        (tmp_path / name).write_text("".join((inputs / name).read_text().splitlines(keepends=True)[:9]))
    held, ranking = extracted(run, tmp_path, tmp_path / "held.zarr", inputs / "nlm"), tmp_path / "r.parquet"
    options = ("--sites", "layers.1", "--label", "kind", *parameters)
    code, out, err = run("rank", method, store, "--test", held, "--out", ranking, *options, "--json")
    assert code == 0, err
    said = json.loads(out)
    assert 0.0 < said[figure] <= 1.0
    assert said["caution"].startswith("Beware: 100 % of the tested sentences are also training sentences")
    code, out, err = run("show", ranking, "--json")
    assert code == 0, err
    assert json.loads(out)["caution"] == said["caution"]


def test_show_verifies_a_store_and_names_what_is_damaged(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "a.zarr")
    code, out, _ = run("show", store, "--verify", "--json")
    assert code == 0
    assert json.loads(out)["verified chunks"] == 1
    assert json.loads(out)["without activation"] == 0
    shard = store / "activations/c/0/0"
    spoilt = bytearray(shard.read_bytes())
    spoilt[100] ^= 1
    shard.write_bytes(spoilt)
    code, _, err = run("show", store, "--verify")
    assert code == 1
    assert "damaged in 1 chunks: activations/c/0/0: words 0 to " in err
    code, _, err = run("show", inputs / "nlm", "--verify")
    assert code == 1
    assert "is not a store of activations; --verify checks stores" in err


def test_show_lists_the_modules_of_an_unknown_architecture(run: Run, tmp_path: Path) -> None:
    tiny_opt(tmp_path / "opt")
    code, out, err = run("show", tmp_path / "opt", "--json")
    assert code == 0, err
    assert json.loads(out)["sites"]["model.decoder.layers.1.self_attn.q_proj"] == 16
    code, out, _ = run("show", tmp_path / "opt")
    assert "these modules can be read" in out
