"""Every stage of a study with tiny models on parts of real corpora, EWT and Multi30k."""

# ruff: noqa: E501

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onegrain.core.progress import silent
from onegrain.errors import ParameterError
from onegrain.records.curve import Curve
from onegrain.records.evaluation import Evaluation
from onegrain.records.ranking import Ranking
from onegrain.records.stability import Stability
from onegrain.studies import read_study, run_study
from onegrain.studies.stages import plan_study
from onegrain.studies.workspace import Workspace
from support.studies import write_study

STUDY = """
title = "Every stage"
seed = 3
neurons = 1
show = [["nlm-1", "ewt-test"]]

[corpora]
ewt-a = { path = "ud/en_ewt/dev.conllu", part = [1, 3], limit = 500, lower = true }
ewt-b = { path = "ud/en_ewt/dev.conllu", part = [2, 3], limit = 500, lower = true }
ewt-valid = { path = "ud/en_ewt/test.conllu", part = [1, 2], limit = 60, lower = true }
ewt-test = { path = "ud/en_ewt/test.conllu", part = [2, 2], limit = 200, lower = true }
ewt-few = { path = "ud/en_ewt/test.conllu", part = [2, 2], limit = 40, lower = true }
flickr = { source = "multi30k/train.en", target = "multi30k/train.fr", limit = 500 }
flickr-valid = { source = "multi30k/val.en", target = "multi30k/val.fr", limit = 60 }
flickr-few = { source = "multi30k/val.en", target = "multi30k/val.fr", limit = 20 }

[models]
nlm-1 = { kind = "nlm", train = "ewt-a", valid = "ewt-valid", test = "ewt-test", options = { OPTIONS, seed = 1 } }
nlm-2 = { kind = "nlm", train = "ewt-b", valid = "ewt-valid", test = "ewt-test", options = { OPTIONS, seed = 2 } }
nmt-1 = { kind = "nmt", train = "flickr", valid = "flickr-valid", test = "flickr-few", options = { OPTIONS, seed = 1 } }

[rankings.upos]
models = ["nlm-1", "nmt-1"]
method = "lca"
label = "upos"
corpus = "ewt-a"
test = "ewt-test"
parameters = { lambda1 = [0.0, 1e-3], lambda2 = [0.0, 1e-3], max_words = 3000 }
stability = { resamples = 2, k = [10], tolerance = 0.1 }

[rankings.maxcorr]
models = ["nlm-1", "nlm-2"]
method = "maxcorr"
corpus = "ewt-test"

[rankings.f]
models = ["nlm-1"]
method = "f-statistic"
label = "upos"
corpus = "ewt-a"

[rankings.picked]
models = ["nlm-1"]
method = "gaussian"
label = "upos"
corpus = "ewt-a"
dev = "ewt-valid"
parameters = { k = 3 }

[comparisons.methods]
models = ["nlm-1"]
rankings = ["upos", "f"]
label = "upos"
train = "ewt-a"
test = "ewt-test"
parameters = { counts = [4, 16], random_orders = 1, max_words = 1000, lambda1 = 1e-3, lambda2 = 1e-3 }

[ablations.perplexity]
models = ["nlm-1"]
rankings = ["upos", "maxcorr"]
metric = "perplexity"
corpus = "ewt-few"
parameters = { steps = 3, random_orders = 2 }

[ablations.bleu]
models = ["nmt-1"]
rankings = ["upos"]
metric = "bleu"
corpus = "flickr-few"
parameters = { steps = 2, random_orders = 1 }
""".replace("OPTIONS", "hidden_size = 32, vocab_size = 500, epochs = 5, batch_size = 16, learning_rate = 1e-2")


@pytest.fixture(scope="module")
def walked(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("study")
    study = write_study(folder, STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONEGRAIN_DATA", str(data_root))
        run_study(study, folder / "out")
    return study, folder / "out"


def records(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file() and "charts" not in path.parts]
    return {str(path.relative_to(out)): path.read_bytes() for path in files if path.name != "report.html"}


def test_the_models_have_learned(walked: tuple[Path, Path]) -> None:
    for name in ("nlm-1", "nlm-2", "nmt-1"):
        facts = json.loads((walked[1] / "measures" / f"{name}.json").read_text())
        assert facts["perplexity"] < facts["unigram perplexity"], name


def test_the_probes_beat_the_majority(walked: tuple[Path, Path]) -> None:
    for model in ("nlm-1", "nmt-1"):
        evaluation = Ranking.load(walked[1] / "rankings" / f"upos--{model}.parquet").details["evaluation"]
        assert evaluation["full"]["low"] > evaluation["majority"] + 0.1, model


def test_other_methods_rank_and_all_are_measured_the_same_way(walked: tuple[Path, Path]) -> None:
    f, picked = (Ranking.load(walked[1] / "rankings" / f"{name}--nlm-1.parquet") for name in ("f", "picked"))
    assert (f.method, f.provenance.seed, picked.method, picked.n_ranked) == ("f-statistic", 3, "gaussian", 3)
    evaluation = Evaluation.load(walked[1] / "evaluations" / "methods--nlm-1.parquet")
    assert evaluation.methods == {"upos": "lca", "f": "f-statistic"}
    assert evaluation.details["orders"]["f"] == f.order_hash
    assert 900 < evaluation.details["train"]["words"] <= 1000
    page = (walked[1] / "report.html").read_text()
    assert "Rankings side by side: methods of nlm-1" in page
    assert "methods of nlm-1: Ablation" not in page  # one of the two has a curve


def test_the_sentences_are_drawn_again(walked: tuple[Path, Path], tmp_path: Path) -> None:
    for model in ("nlm-1", "nmt-1"):
        record = Stability.load(walked[1] / "stability" / f"upos--{model}.parquet")
        assert record.ks == (10,)
        assert record.provenance.seed == 3
        assert record.at("seeds")["jaccard"].item() > record.at("halves")["jaccard"].item() > 0.0
    study = tmp_path / "study.toml"
    study.write_text(walked[0].read_text().replace("resamples = 2", "draws = 2"))
    step = next(step for step in plan_study(read_study(study)) if step.stage.name == "stability")
    with pytest.raises(ParameterError, match=r"rankings\.upos\.stability.*draws"):
        step.stage.perform(Workspace(read_study(study), tmp_path, tmp_path, walked[1]), step, silent)


def test_erasing_everything_hurts(walked: tuple[Path, Path]) -> None:
    for name in ("upos", "maxcorr"):
        curve = Curve.load(walked[1] / "curves" / f"perplexity--{name}--nlm-1.parquet")
        assert curve.line("top")["value"].iloc[-1] > curve.intact
    bleu = Curve.load(walked[1] / "curves" / "bleu--upos--nmt-1.parquet")
    assert bleu.line("top")["value"].iloc[-1] <= bleu.intact


def test_the_report_shows_every_stage(walked: tuple[Path, Path]) -> None:
    page = (walked[1] / "report.html").read_text()
    for word in ("nlm-1", "nmt-1", "upos", "maxcorr", "perplexity", "NOUN", "weight_hash"):
        assert word in page, word
    assert len(list((walked[1] / "charts").glob("*.png"))) > 5


def test_a_second_run_makes_nothing_again(
    walked: tuple[Path, Path], data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEGRAIN_DATA", str(data_root))
    times = {path: path.stat().st_mtime_ns for path in walked[1].rglob("*.parquet")}
    before = records(walked[1])
    run_study(*walked)
    assert records(walked[1]) == before
    assert {path: path.stat().st_mtime_ns for path in walked[1].rglob("*.parquet")} == times


def test_a_changed_part_is_made_anew_and_the_rest_is_kept(
    walked: tuple[Path, Path], data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONEGRAIN_DATA", str(data_root))
    study, out = tmp_path / "study.toml", walked[1]
    study.write_text(
        walked[0].read_text().replace("steps = 2, random_orders = 1", "steps = 1, random_orders = 1")
    )
    before = records(out)
    run_study(study, out)
    changed = {name for name, content in records(out).items() if before.get(name) != content}
    assert changed == {"curves/bleu--upos--nmt-1.parquet", ".steps/curves--bleu--upos--nmt-1.parquet.txt"}
