"""Test that the verbs together do what the API does."""

from __future__ import annotations

import json
from pathlib import Path

from support.commands import RANK, Run, extracted
from support.tiny import tiny_nlm


def test_all_stages_by_hand(run: Run, inputs: Path, tmp_path: Path) -> None:
    store = extracted(run, inputs, tmp_path / "words.zarr")
    ranking, curve = tmp_path / "kind.parquet", tmp_path / "curve.parquet"
    code, out, err = run("rank", "lca", store, "--out", ranking, *RANK, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts["accuracy"] > facts["majority"]
    code, out, err = run(
        "ablate", inputs / "nlm", ranking, inputs / "words.txt", "--metric", "perplexity", "--out", curve,
        "--steps", 3, "--random-orders", 2, "--limit", 8, "--json",
    )  # fmt: skip
    assert code == 0, err
    assert set(json.loads(out)) == {
        "curve", "metric", "intact", "top erased", "bottom erased", "random erased", "points",
    }  # fmt: skip
    for record, word in (
        (store, "activations"),
        (ranking, "ranking"),
        (curve, "curve"),
        (inputs / "nlm", "model"),
    ):
        code, out, err = run("show", record, "--json")
        assert (code, json.loads(out)["record"]) == (0, word), err
        code, out, err = run("show", record)
        assert code == 0
        assert word in out
    for question in (
        ("localisation", ranking),
        ("sharing", ranking),
        ("layers", ranking),
        ("importance", curve),
    ):
        code, out, err = run("analyse", *question, "--json")
        assert code == 0, err
        assert json.loads(out)["rows"]
    code, out, err = run("analyse", "words", store, "layers.1:0", "--json")
    assert code == 0, err
    assert {row["neuron"] for row in json.loads(out)["rows"]} == {"layers.1:0"}
    code, out, err = run("report", tmp_path, "--json")
    assert code == 0, err
    page = Path(json.loads(out)["report"]).read_text()
    assert "layers.1" in page
    assert list((tmp_path / "charts").glob("*.png"))


def test_stability_of_a_comparison_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, ranking = extracted(run, inputs, tmp_path / "words.zarr"), tmp_path / "shared.parquet"
    other = extracted(run, inputs, tmp_path / "other.zarr", tiny_nlm(tmp_path / "other", seed=5))
    code, _, err = run("rank", "maxcorr", store, "--sites", "layers.1", "--others", other, "--out", ranking)
    assert code == 0, err
    command = ("analyse", "stability", ranking, store, "--out", tmp_path / "s.parquet", "--resamples", 2)
    code, _, err = run(*command)
    assert (code, "give the other models" in err) == (1, True)
    code, _, err = run(*command, "--others", other, "--others", other)
    assert (code, "--others names 2" in err) == (1, True)
    code, out, err = run(*command, "--others", other, "--k", 3, "--json")
    assert code == 0, err
    assert [row["draws"] for row in json.loads(out)["rows"]] == ["bootstrap", "halves"]


def test_stability_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, ranking = extracted(run, inputs, tmp_path / "words.zarr"), tmp_path / "kind.parquet"
    record = tmp_path / "stability.parquet"
    code, _, err = run("rank", "lca", store, "--sites", "layers.1", "--out", ranking, *RANK)
    assert code == 0, err
    command = ("analyse", "stability", ranking, store, "--out", record, "--resamples", 2, "--k", 3, "--k", 8)
    code, out, err = run(*command, "--json")
    assert code == 0, err
    rows = json.loads(out)["rows"]
    assert [(row["draws"], row["k"]) for row in rows] == [
        ("bootstrap", 3), ("bootstrap", 8), ("halves", 3), ("halves", 8), ("seeds", 3), ("seeds", 8),
    ]  # fmt: skip
    code, _, err = run(*command)
    assert (code, "--force" in err) == (1, True)
    code, out, err = run("show", record, "--json")
    assert code == 0, err
    facts = json.loads(out)
    assert facts["record"] == "stability"
    assert facts["halves"][0]["phi"] == rows[2]["phi"]
    for extra in ((), ("--label", "long", "--rows", 3)):
        code, out, err = run("show", record, *extra)
        assert code == 0, err
        assert "layers.1" in out
    code, out, err = run("report", tmp_path, "--json")
    assert code == 0, err
    assert "Would other sentences give the same order?" in Path(json.loads(out)["report"]).read_text()
    assert list((tmp_path / "charts").glob("rank-intervals*.png"))


def test_bleu_from_the_command_line(run: Run, inputs: Path, tmp_path: Path) -> None:
    store, order = tmp_path / "encoder.zarr", tmp_path / "random.parquet"
    assert run("extract", inputs / "nmt", inputs / "words.txt", "--out", store)[0] == 0
    assert run("rank", "random", store, "--out", order)[0] == 0
    code, out, err = run(
        "ablate", inputs / "nmt", order, inputs / "words.txt", inputs / "target.txt", "--metric", "bleu",
        "--counts", "0,48", "--random-orders", 1, "--limit", 4, "--out", tmp_path / "bleu.parquet", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["metric"] == "bleu"
