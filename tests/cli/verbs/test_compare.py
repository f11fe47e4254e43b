"""``onegrain compare`` from rankings: one table, one figure, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import onegrain as og
from support.commands import Run


@pytest.fixture(scope="module")
def place(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of two texts, and rankings of the first."""
    folder = tmp_path_factory.mktemp("place")
    sentences = [line.split() for line in (inputs / "words.txt").read_text().splitlines()]
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(words).tolist() for words in sentences]
    for name, text in (("train", sentences), ("test", shuffled)):
        kinds = [["punct" if not w.isalpha() else "long" if len(w) > 3 else "short" for w in s] for s in text]
        corpus = og.Corpus.from_sentences(text, {"kind": kinds}, source=name)
        og.extract(str(inputs / "nlm"), corpus, folder / f"{name}.zarr")
    acts = og.open_activations(folder / "train.zarr")
    for name in ("f-statistic", "probeless", "std"):
        layer = {} if name == "std" else {"label": "kind"}
        og.rank(name, acts, **layer).save(folder / f"{name}.parquet")
    return folder


def files(place: Path) -> list[Path]:
    return [place / f"{name}.parquet" for name in ("f-statistic", "probeless", "std")]


def stores(place: Path) -> tuple[object, ...]:
    return ("--train", place / "train.zarr", "--test", place / "test.zarr", "--set", "lambda2=0.001")


def test_all_measurements_in_one_table(run: Run, place: Path, inputs: Path, tmp_path: Path) -> None:
    text = ("--model", inputs / "nlm", "--data", inputs / "words.txt", "--limit", 8, "--steps", 2)
    small = ("--random-orders", 2, "--counts", "1,4,16,48", "--vote", "--k", 5)
    out = tmp_path / "out"
    code, printed, err = run("compare", *files(place), *stores(place), *text, *small, "--out", out, "--json")
    assert code == 0, err
    rows = {row["ranking"]: row for row in json.loads(printed)["rows"]}
    assert list(rows) == ["f-statistic", "probeless", "std", "neuron-vote", "(random orders)"]
    assert {path.name for path in out.iterdir()} == {
        "areas.csv", "comparison.html", "comparison.json", "comparison.png", "comparison.svg", "curves",
        "differences.csv", "evaluation.parquet", "gaps.csv", "neuron-vote.parquet", "pairs.csv", "table.csv",
    }  # fmt: skip
    evaluation = og.Evaluation.load(out / "evaluation.parquet")
    rankings = {path.stem: og.Ranking.load(path) for path in files(place)}
    rankings["neuron-vote"] = og.Ranking.load(out / "neuron-vote.parquet")
    curves = {name: og.Curve.load(out / "curves" / f"{name}.parquet") for name in rankings}
    assert [("random" in set(curve.points["line"])) for curve in curves.values()] == [True, False, False, False]
    same = og.compare_rankings(rankings, evaluation, curves, k=5).table
    for row in same.to_dict("records"):
        for name, value in row.items():
            row_of_name = rows[row["ranking"]][name]
            assert (pd.isna(value) and row_of_name is None) or row_of_name == pytest.approx(value), name
    pd.testing.assert_frame_equal(pd.read_csv(out / "table.csv"), same, check_dtype=False)
    code, printed, err = run("show", out / "evaluation.parquet", "--json")
    assert code == 0, err
    assert json.loads(printed)["rankings"] == ["f-statistic", "probeless", "std", "neuron-vote"]
    curve = ("--curve", f"std={out / 'curves' / 'f-statistic.parquet'}")
    code, _, err = run("compare", *files(place), *curve)
    assert (code, "another order than that of ranking 'std'" in err) == (1, True)
    curve = ("--curve", f"std={out / 'curves' / 'std.parquet'}")
    code, printed, err = run("compare", *files(place), *curve)
    assert (code, "ablation" in printed) == (0, True), err
    code, _, err = run("compare", *files(place), "--out", out)
    assert (code, "exists already" in err) == (1, True)


def test_any_classifier_is_a_probe(run: Run, place: Path) -> None:
    probe = ("--probe", "sklearn.naive_bayes:GaussianNB", "--set", "var_smoothing=0.001", "--counts", "2,8")
    stores = ("--train", place / "train.zarr", "--test", place / "test.zarr", "--random-orders", 1)
    code, printed, err = run("compare", *files(place), *stores, *probe, "--standardize", "--json")
    assert code == 0, err
    (row, *_) = json.loads(printed)["rows"]
    assert row["retraining_low"] < row["retraining"] < row["retraining_high"]
    code, printed, err = run("compare", *files(place), *stores, *probe, "--standardize")
    assert code == 0, err
    assert f"{row['retraining']:.3f}" in printed


def test_rankings_alone_are_compared_by_their_agreement(run: Run, place: Path) -> None:
    code, printed, err = run("compare", *files(place), "--json")
    assert code == 0, err
    rows = json.loads(printed)["rows"]
    assert "masking" not in rows[0]
    assert [row["ranking"] for row in rows] == ["f-statistic", "probeless", "std"]


def test_misuse_is_one_clear_line(run: Run, place: Path, inputs: Path, tmp_path: Path) -> None:
    train, test = place / "train.zarr", place / "test.zarr"
    first, *_ = rankings = files(place)
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "std.parquet").write_bytes((place / "std.parquet").read_bytes())
    cases = [
        ((first, train), "compare two stores with onegrain similarity"),
        ((train, test, train), "compare takes rankings, not"),
        ((train, test, "--k", 5, "--vote"), "compare two stores with onegrain similarity"),
        ((*rankings, "--test", test, "--probe", "elastic-net"), "--test, --probe: give --train too"),
        ((*rankings, "--steps", 3), "--steps: give --model too"),
        ((*rankings, "--seed", 3), "--seed: give --train or --model too"),
        ((*rankings, "--level", 0.9), "--level: give --train, --model or --curve too"),
        ((*rankings, "--model", inputs / "nlm"), "give it with --data"),
        ((first,), "at least two rankings"),
        ((*rankings, "--train", test, "--test", train), "was made from the tested words"),
        ((*rankings, *stores(place), "--probe", "sklearn.svm:Nothing"), "has no attribute 'Nothing'"),
        ((*rankings, *stores(place), "--probe", "sklearn.naive_bayes:GaussianNB"), "lambda2"),
        (
            (*rankings, "--curve", "lca=c.parquet"),
            "no ranking 'lca'; the rankings are: f-statistic, probeless, std",
        ),
        ((place / "std.parquet", place / "std.parquet"), "two rankings are named"),
    ]
    for arguments, why in cases:
        code, _, err = run("compare", *arguments)
        assert (code, why in err) == (1, True), (arguments, err)
    for arguments, why in (
        (("similarity", train, test, train), f"Got unexpected extra argument(s) ({train})"),
        (("similarity", train, test, "--k", 5, "--vote"), "No such option: --k"),
        (("compare", *rankings, "--measure", "cka"), "No such option: --measure"),
    ):
        code, _, err = run(*arguments)
        assert (code, why in err) == (2, True), (arguments, err)
    code, printed, err = run("compare", *rankings, tmp_path / "again" / "std.parquet", "--json")
    assert code == 0, err
    assert json.loads(printed)["rows"][3]["ranking"] == "again/std"
