"""``onegrain sweep``, and the options that ``onegrain ablate`` shares with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import onegrain as og
from cli.conftest import Run
from onegrain.interventions import Where, checkpoint_beside
from onegrain.interventions.checkpoint import Checkpoint, Measured
from onegrain.records.curve import Curve


@pytest.fixture(scope="module")
def store(inputs: Path) -> Path:
    corpus = og.read_corpus(inputs / "words.txt", labels={"kind": inputs / "words.kind"})
    activations = og.extract(inputs / "nlm", corpus, inputs / "words.zarr")
    for name, ranking in og.rank_together(["probeless", "random"], activations, label="kind").items():
        ranking.save(inputs / f"{name}.parquet")
    return inputs / "words.zarr"


def test_a_sweep_from_the_command_line_is_that_of_the_function(
    run: Run, inputs: Path, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep.parquet"
    command = (
        "sweep", inputs / "nlm", inputs / "words.txt", "--ranking", f"a={inputs / 'probeless.parquet'}",
        "--ranking", inputs / "random.parquet", "--metric", "perplexity", "--edit", "zero",
        "--edit", "mean", "--reference", store, "--shares", "0.1,0.5", "--lines", "top,random,keep",
        "--random-orders", 2, "--at-positions", "1,-1", "--seed", 3, "--limit", 5, "--out", out,
    )  # fmt: skip
    code, printed, err = run(*command, "--json")
    assert code == 0, err
    facts = json.loads(printed)
    assert facts["edits"] == ["zero", "mean"]
    assert len(facts["against_random"]) == 4
    assert facts["robustness"][0]["items"] == 2
    record = og.load(out)
    expected = og.sweep(
        inputs / "nlm",
        {
            name: og.load(inputs / f"{file}.parquet")
            for name, file in (("a", "probeless"), ("random", "random"))
        },
        og.Perplexity(og.read_corpus(inputs / "words.txt").head(5)),
        ["zero", "mean"],
        reference=og.open_activations(store),
        shares=[0.1, 0.5],
        lines=["top", "random", "keep"],
        random_orders=2,
        seed=3,
        where=Where(positions=(1, -1)),
    )
    assert record.points.drop(columns=["value", "low", "high"]).equals(
        expected.points.drop(columns=["value", "low", "high"])
    )
    np.testing.assert_allclose(record.points["value"], expected.points["value"], rtol=1e-5)
    assert record.provenance.parameters["where"] == {"positions": [1, -1]}
    assert not checkpoint_beside(out).exists()
    code, _, err = run(*command)
    assert (code, "the same command has made it" in err) == (0, True)
    code, _, err = run(*command, "--match", "none")
    assert (code, "exists already; use --force" in err) == (1, True)


def test_an_interrupted_command_resumes(
    run: Run, inputs: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, finished, add = tmp_path / "curve.parquet", [0], Checkpoint.add

    def cut_off(self: Checkpoint, key: str, measured: Measured) -> None:
        finished[0] += 1
        if finished[0] == 4:
            raise KeyboardInterrupt
        add(self, key, measured)

    monkeypatch.setattr(Checkpoint, "add", cut_off)
    command = (
        "ablate", inputs / "nlm", inputs / "probeless.parquet", inputs / "words.txt", "--metric",
        "perplexity", "--counts", "3,9", "--lines", "top,bottom", "--out", out,
    )  # fmt: skip
    code, _, err = run(*command)
    assert code == 130
    assert "the same command resumes" in err
    assert checkpoint_beside(out).exists()
    code, _, err = run(*command)
    assert code == 0, err
    assert finished[0] == 4 + 2
    assert not checkpoint_beside(out).exists()
    assert len(Curve.load(out).points) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--edit", "mean"), "the edit mean needs a reference"),
        (("--edit", "sponge"), "the edits are: zero"),
        (("--lines", "middle"), "the lines are: top, bottom, random, keep"),
        (("--match", "size"), "needs a reference with samples"),
        (("--match", "width"), "must be one of none, site, size"),
        (("--shares", "half"), "--shares takes numbers"),
        (("--shares", "2"), "shares must lie above 0"),
        (("--counts", "1", "--every", "5"), "either counts or every"),
        (("--at-words", "kind=NONE"), "has no words with kind=NONE"),
        (("--at-positions", "one"), "--at-positions takes whole numbers"),
        (("--reference", "SELF"), "holds neither activations nor statistics"),
    ],
)
@pytest.mark.parametrize("verb", ["ablate", "sweep"])
def test_what_is_impossible_is_one_line_before_any_measurement(
    run: Run, inputs: Path, store: Path, tmp_path: Path, verb: str, options: tuple[str, ...], message: str
) -> None:
    ranking = inputs / "probeless.parquet"
    given = [str(ranking) if option == "SELF" else option for option in options]
    data, metric = inputs / "words.txt", ("--metric", "perplexity")
    placed = (ranking, data) if verb == "ablate" else (data, "--ranking", ranking)
    code, _, err = run(verb, inputs / "nlm", *placed, *metric, *given, "--out", tmp_path / "o.parquet")
    assert code == 1
    assert message in err
    assert not (tmp_path / "o.parquet").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("two_cpus_of_ray")
def test_ablate_on_ray_workers_makes_the_same_curve(
    run: Run, inputs: Path, store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'onegrain[ray]'")
    command = (
        "ablate", inputs / "nlm", inputs / "probeless.parquet", inputs / "words.txt", "--metric", "perplexity",
        "--edit", "mean", "--reference", store, "--shares", "0.1,0.5", "--random-orders", 2,
    )  # fmt: skip
    curves = []
    for options in ((), ("--engine", "ray", "--workers", 2)):
        out = tmp_path / f"curve{len(options)}.parquet"
        code, _, err = run(*command, *options, "--out", out)
        assert code == 0, err
        curves.append(Curve.load(out))
    values = [curve.points[["value", "low", "high"]].to_numpy() for curve in curves]
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)
    assert curves[1].details["counts"] == curves[0].details["counts"]
    assert curves[1].provenance.parameters == curves[0].provenance.parameters
    assert len(curves[0].points) > 6


def test_an_engine_that_ablate_cannot_use_is_refused(
    run: Run, inputs: Path, store: Path, tmp_path: Path
) -> None:
    ranking, out = inputs / "probeless.parquet", tmp_path / "curve.parquet"
    command = ("ablate", inputs / "nlm", ranking, inputs / "words.txt", "--metric", "perplexity", "--out", out)
    for options, message in (
        (("--engine", "none"), "the engines are: local, ray"),
        (("--workers", 2), "belong to the ray engine"),
    ):
        code, _, err = run(*command, *options)
        assert code == 1
        assert message in err
