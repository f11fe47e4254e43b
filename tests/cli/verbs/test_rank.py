"""Test the verb rank."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import onegrain as og
from support.commands import Run, extracted
from support.tiny import tiny_gpt2, tiny_nlm


def test_models_are_compared_and_shared_directions_erased(run: Run, inputs: Path, tmp_path: Path) -> None:
    tiny_gpt2(tmp_path / "gpt2")
    for model in (inputs / "nlm", tmp_path / "gpt2"):
        store = tmp_path / f"{model.name}.zarr"
        code, _, err = run("extract", model, inputs / "words.txt", "--sites", "layers.[01]", "--out", store)
        assert code == 0, err
    stores, record = (tmp_path / "gpt2.zarr", tmp_path / "nlm.zarr"), tmp_path / "alike.parquet"
    code, out, err = run(
        "similarity", *stores, "--measure", "cka", "--measure", "svcca", "--out", record, "--json"
    )
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [(row["site_a"], row["site_b"]) for row in rows][1] == ("layers.0", "layers.1")
    assert set(rows[0]) == {"site_a", "site_b", "cka", "svcca"}
    code, out, err = run("similarity", *stores, "--sites", "layers.1", "--no-by-site")
    assert code == 0, err
    assert "pwcca" in out
    code, _, err = run("similarity", *stores, "--out", record)
    assert (code, "exists already" in err) == (1, True)
    code, out, err = run("show", record, "--json")
    assert (code, json.loads(out)["rows"]) == (0, rows), err
    code, out, err = run("show", record)
    assert (code, "similarity" in out) == (0, True), err
    ranking, folder = tmp_path / "svcca.parquet", tmp_path / "shared"
    options = (
        "--others",
        stores[1],
        "--set",
        "site=layers.1",
        "--set",
        f"directions={folder}",
        "--out",
        ranking,
    )
    code, out, err = run("rank", "svcca", stores[0], *options, "--json")
    assert code == 0, err
    assert json.loads(out)["top"][:2] == ["layers.1.latents:0", "layers.1.latents:1"]
    code, out, err = run(
        *("ablate", tmp_path / "gpt2", ranking, inputs / "words.txt", "--out", tmp_path / "c.parquet"),
        *("--metric", "perplexity", "--steps", 2, "--random-orders", 1, "--limit", 8, "--json"),
        *("--dictionary", f"layers.1={folder}"),
    )
    assert code == 0, err
    assert len(set(json.loads(out)["top erased"].values())) > 1


def test_partners_are_listed_and_shown_with_their_words(
    run: Run, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    tiny_gpt2(tmp_path / "gpt2")
    for model in (inputs / "nlm", tmp_path / "gpt2"):
        store = tmp_path / f"{model.name}.zarr"
        code, _, err = run("extract", model, inputs / "words.txt", "--sites", "layers.[01]", "--out", store)
        assert code == 0, err
    nlm_store, other, ranking = tmp_path / "nlm.zarr", tmp_path / "gpt2.zarr", tmp_path / "r.parquet"
    asked = ("--set", "null=rotation", "--set", "draws=5", "--set", "resamples=5", "--sites", "layers.1")
    code, _, err = run("rank", "maxcorr", nlm_store, "--others", other, *asked, "--out", ranking)
    assert code == 0, err
    code, out, err = run("show", ranking, "--rows", 3)
    assert code == 0, err
    assert "1/layers.1:" in out
    assert "excess" in out
    code, out, err = run(
        "analyse", "universality", ranking, nlm_store, "--others", other, "--k", 2, "--n", 3, "--json"
    )
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [row["direction"] for row in rows] == ["high", "low"] * 2
    assert all(set(row["shared"]) <= set(row["words"]) & set(row["partner_words"]) for row in rows)
    code, out, err = run(
        "analyse", "universality", ranking, nlm_store, "--others", other, "--neuron", "layers.1:0"
    )
    assert code == 0, err
    assert "layers.1:0" in out
    code, _, err = run("analyse", "universality", ranking, other, "--others", nlm_store)
    assert (code, len(err.strip().splitlines())) == (1, 1)


def test_rank_names_every_method_without_loading_them(run: Run) -> None:
    from onegrain.rankings import METHODS

    code, out, _ = run("rank", "--help")
    assert code == 0
    assert all(name in "".join(out.split()) for name in METHODS)
    check = (
        "import sys\nfrom onegrain.cli import command_tree\n"
        "command_tree()(['rank', '--help'], standalone_mode=False)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_models_are_ranked_without_storing_anything(run: Run, inputs: Path, tmp_path: Path) -> None:
    tiny_nlm(tmp_path / "other", seed=1)
    text = ("--labels", f"kind={inputs / 'words.kind'}", "--limit", 20)
    stores, models = (tmp_path / "a.zarr", tmp_path / "b.zarr"), (inputs / "nlm", tmp_path / "other")
    for model, store in zip(models, stores, strict=True):
        command = ("extract", model, inputs / "words.txt", *text, "--aggregate", "mean", "--out", store)
        assert run(*command, "--sites", "layers.*")[0] == 0
    reading = ("--corpus", inputs / "words.txt", *text, "--aggregate", "mean", "--sites", "layers.*")
    for method, options in (
        ("maxcorr", lambda pair: ("--others", pair[1])),
        ("f-statistic", lambda pair: ("--label", "kind")),
        ("std", lambda pair: ()),
    ):
        code, live, err = run(
            "rank", method, models[0], *options(models), *reading, "--out", tmp_path / "l.parquet", "--json"
        )
        assert code == 0, err
        code, stored, err = run(
            "rank", method, stores[0], *options(stores), "--out", tmp_path / "s.parquet", "--json"
        )
        assert code == 0, err
        assert json.loads(live)["top"] == json.loads(stored)["top"]
        for name in "ls":
            (tmp_path / f"{name}.parquet").unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr", "other"]
    out = ("--out", tmp_path / "r.parquet")
    for wrong, message in (
        (
            ("std", stores[0], "--long", "window", "--model-device", "cpu"),
            "--long, --model-device: a store has",
        ),
        (("std", stores[0], "--corpus", inputs / "words.txt"), "has no config.json"),
        (("std", stores[0], "--engine", "ray"), "std runs in this process only"),
        (("std", stores[0], "--workers", 2), "belong to the ray engine"),
        (("std", stores[0], "--engine", "none"), "the engines are: local, ray"),
    ):
        code, _, err = run("rank", *wrong, *out)
        assert code == 1
        assert message in err


def test_several_methods_are_ranked_together(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    code, out, err = run(
        "rank", "probeless,iou,std", store, "--label", "kind", "--out", tmp_path / "r",
        "--set", "iou.quantiles=[0.9]", "--json",
    )  # fmt: skip
    assert code == 0, err
    told = json.loads(out)["rows"]
    assert [Path(row["ranking"]).name for row in told] == ["probeless.parquet", "iou.parquet", "std.parquet"]
    code, _, err = run(
        "rank", "iou", store, "--label", "kind", "--out", tmp_path / "iou.parquet", "--set", "quantiles=[0.9]"
    )
    assert code == 0, err
    alone, together = (og.Ranking.load(path) for path in (tmp_path / "iou.parquet", tmp_path / "r/iou.parquet"))
    assert alone.scores.tolist() == together.scores.tolist()
    assert alone.provenance == together.provenance
    code, _, err = run("rank", "probeless,iou", store, "--label", "kind", "--out", tmp_path / "r")
    assert (code, "already" in err or "exists" in err) == (1, True)
    code, _, err = run(
        "rank", "auroc,iou", store, "--label", "kind", "--out", tmp_path / "q", "--set", "exact=true"
    )
    assert (code, "say of which of the methods, METHOD.exact=" in err) == (1, True)
