"""The verbs of specificity, effects, uniqueness and optimal constants do what their functions do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import onegrain as og
from cli.conftest import Run
from onegrain.corpora import read_corpus
from onegrain.interventions import Intervention
from onegrain.models import load_model
from support.tiny import tiny_gpt2


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_gpt2(tmp_path_factory.mktemp("gpt2") / "gpt2")


@pytest.fixture
def ranked(run: Run, inputs: Path, gpt2: Path, tmp_path: Path) -> dict[str, Path]:
    """A store of the tiny GPT-2's activations, a ranking of them, and the labelled text."""
    store, order = tmp_path / "words.zarr", tmp_path / "probeless.parquet"
    words, kinds = inputs / "words.txt", inputs / "words.kind"
    for command in (
        ("extract", gpt2, words, "--labels", f"kind={kinds}", "--out", store),
        ("rank", "probeless", store, "--label", "kind", "--out", order),
    ):
        code, _, err = run(*command)
        assert code == 0, err
    return {"model": gpt2, "store": store, "ranking": order, "words": words, "kinds": kinds}


def test_specificity(run: Run, ranked: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "specificity.parquet"
    command = (
        "specificity", ranked["model"], ranked["ranking"], ranked["words"],
        "--labels", f"kind={ranked['kinds']}",
        "--k", 3, "--random-orders", 2, "--draws", 200, "--only", "long", "--only", "short", "--limit", 9,
        "--edit", "mean", "--reference", ranked["store"], "--out", out,
    )  # fmt: skip
    code, printed, err = run(*command, "--json")
    assert code == 0, err
    record = og.load(out)
    corpus = read_corpus(ranked["words"], labels={"kind": ranked["kinds"]}).head(9)
    expected = og.specificity(
        load_model(ranked["model"]), og.load(ranked["ranking"]), corpus, k=3, labels=["long", "short"],
        random_orders=2, resamples=200, edit="mean", reference=og.load(ranked["store"]),
    )  # fmt: skip
    assert record.cells.equals(expected.cells)
    assert json.loads(printed)["labels"] == ["long", "short"]
    code, _, err = run(*command)
    assert code == 0
    assert "nothing is left to do" in err
    code, printed, err = run("show", out)
    assert code == 0, err
    assert "neurons per label" in printed


def test_specificity_of_a_translation_model_needs_a_labelled_target(
    run: Run, inputs: Path, tmp_path: Path
) -> None:
    store, order, labels = tmp_path / "s.zarr", tmp_path / "r.parquet", tmp_path / "target.kind"
    target = (inputs / "target.txt").read_text().splitlines()
    labels.write_text(
        "".join(" ".join("long" if len(w) > 3 else "short" for w in line.split()) + "\n" for line in target)
    )
    kinds = f"kind={inputs / 'words.kind'}"
    assert run("extract", inputs / "nmt", inputs / "words.txt", "--labels", kinds, "--out", store)[0] == 0
    assert run("rank", "probeless", store, "--label", "kind", "--out", order)[0] == 0
    out = tmp_path / "specificity.parquet"
    code, _, err = run(
        "specificity", inputs / "nmt", order, inputs / "words.txt", inputs / "target.txt", "--labels",
        f"kind={labels}", "--k", 2, "--random-orders", 2, "--draws", 100, "--limit", 8, "--out", out,
    )  # fmt: skip
    assert code == 0, err
    assert og.load(out).predicted == ("long", "short")
    code, _, err = run(
        "specificity", inputs / "nmt", order, inputs / "words.txt", "--out", tmp_path / "x.parquet"
    )
    assert code == 1
    assert "no parallel side" in err


def test_effects(run: Run, ranked: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "effects.parquet"
    code, printed, err = run(
        "effects", ranked["model"], ranked["ranking"], ranked["words"], "--k", 3, "--each-site",
        "--random-orders", 2, "--draws", 100, "--limit", 6, "--label", "long", "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, err
    ranking = og.load(ranked["ranking"]).label("long")
    expected = og.effects(
        load_model(ranked["model"]), ranking, read_corpus(ranked["words"]).head(6), k=3, by_site=True,
        random_orders=2, resamples=100,
    )  # fmt: skip
    assert og.load(out).table.equals(expected.table)
    assert json.loads(printed)["total effect"] == pytest.approx(expected.at()["total"])


def test_effects_of_an_edit_at_some_places(run: Run, ranked: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "effects.parquet"
    pairs = tmp_path / "pairs.txt"
    lines = ranked["words"].read_text().splitlines()
    pairs.write_text("".join(" ".join(reversed(line.split())) + "\n" for line in lines))
    code, _, err = run(
        "effects", ranked["model"], ranked["ranking"], ranked["words"], "--k", 3, "--random-orders", 2,
        "--draws", 100, "--limit", 6, "--at-positions", "1,2", "--edit", "interchange",
        "--pairs", pairs, "--out", out,
    )  # fmt: skip
    assert code == 0, err
    expected = og.effects(
        load_model(ranked["model"]), og.load(ranked["ranking"]), read_corpus(ranked["words"]).head(6), k=3,
        random_orders=2, resamples=100, edit="interchange", pairs=read_corpus(pairs).head(6),
        where=og.Where(positions=(1, 2)),
    )  # fmt: skip
    record = og.load(out)
    assert record.table.equals(expected.table)
    assert record.provenance.parameters["where"] == {"positions": [1, 2]}


def test_uniqueness(run: Run, ranked: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "uniqueness.parquet"
    code, printed, err = run(
        "uniqueness", "probeless", ranked["store"], "--label", "kind", "--k", 4, "--rounds", 2, "--probe-set",
        "lambda2=[0.001]", "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, err
    activations = og.open_activations(ranked["store"])
    expected = og.uniqueness("probeless", activations, label="kind", k=4, rounds=2, lambda2=[0.001])
    assert og.load(out).rounds.equals(expected.rounds)
    assert json.loads(printed)["rounds within delta"] == expected.count


def test_constants_and_the_edit_that_reads_them(run: Run, ranked: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "constants.parquet"
    code, printed, err = run(
        "constants", ranked["model"], ranked["ranking"], ranked["words"], "--k", 2, "--search-steps", 3,
        "--limit", 6, "--out", out, "--json",
    )  # fmt: skip
    assert code == 0, err
    edit = Intervention.of(og.load(ranked["ranking"]), 2, edit="optimal")
    expected = og.optimal_constants(
        load_model(ranked["model"]), read_corpus(ranked["words"]).head(6), edit, steps=3
    )
    assert og.load(out).to_pandas().equals(expected.to_pandas())
    assert json.loads(printed)["loss, optimal"] == pytest.approx(expected.details["losses"]["optimal"])
    code, _, err = run(
        "effects", ranked["model"], ranked["ranking"], ranked["words"], "--k", 2, "--edit", "optimal",
        "--reference", out, "--random-orders", 2, "--draws", 100, "--limit", 3,
        "--out", tmp_path / "e.parquet",
    )  # fmt: skip
    assert code == 1
    assert "with activations of the model as the reference" in err


def test_a_reference_of_another_kind_is_refused(run: Run, ranked: dict[str, Path], tmp_path: Path) -> None:
    code, _, err = run(
        "effects", ranked["model"], ranked["ranking"], ranked["words"], "--edit", "mean", "--reference",
        ranked["ranking"], "--out", tmp_path / "e.parquet",
    )  # fmt: skip
    assert code == 1
    assert "neither activations nor statistics" in err
