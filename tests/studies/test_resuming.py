"""Test what a study makes again, keeps, refuses and never removes."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from onegrain.activations import open_activations
from onegrain.core.progress import silent
from onegrain.errors import ModelError, OutputExistsError, ParameterError
from onegrain.records.ranking import Ranking
from onegrain.studies.run import StudyRun, walk_study
from support.killed import kill_points
from support.studies import SANDBOX_STUDY, write_study
from support.zoo import Zoo

RECORDS = [
    "models/nlm/model.safetensors",
    "models/nlm/training.json",
    "measures/nlm.json",
    "activations/nlm--test.zarr/zarr.json",
    "rankings/f--nlm.parquet",
    "curves/perplexity--f--nlm.parquet",
    ".steps/models--nlm.txt",
    ".steps/rankings--f--nlm.parquet.txt",
]


MBART = """
title = "Languages"
[corpora]
a = { path = "a.txt", format = "plain" }
[models.m]
path = "mbart"
LANGUAGES
[rankings.r]
models = ["m"]
method = "random"
corpus = "a"
sites = ["encoder.layers.1"]
"""


def walk(study: Path, out: Path) -> StudyRun:
    return walk_study(study, out, workers=1, progress=silent)


def interrupt(*arguments: object) -> None:
    raise KeyboardInterrupt


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    return write_study(folder)


@pytest.fixture(scope="module")
def walked(study: Path) -> Path:
    run = walk(study, study.parent / "out")
    assert (run.made, run.kept) == (5, 0)
    return run.report.parent


@pytest.fixture
def out(walked: Path, tmp_path: Path) -> Path:
    return shutil.copytree(walked, tmp_path / "out")


def test_a_finished_study_makes_nothing(study: Path, walked: Path, out: Path) -> None:
    run = walk(study, out)
    assert (run.made, run.kept) == (0, 5)
    assert content(out) == content(walked)


def test_an_interrupted_evaluation_leaves_no_ranking_and_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, ranking = tmp_path / "study.toml", tmp_path / "out" / "rankings" / "f--nlm.parquet"
    penalties = 'method = "lca"\nparameters = { lambda1 = [1e-3], lambda2 = [1e-3], resamples = 10 }'
    study.write_text(SANDBOX_STUDY.replace('method = "f-statistic"', penalties))
    with monkeypatch.context() as patch:
        patch.setattr("onegrain.rankings.lca.evaluation.OrderingEvaluation.run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            walk(study, tmp_path / "out")
    assert not ranking.exists()
    run = walk(study, tmp_path / "out")
    assert (run.made, run.kept) == (2, 3)
    assert Ranking.load(ranking).details["evaluation"]["full"]["accuracy"] > 0.0


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("cut", [False, True])
def test_a_damaged_record_is_made_again_or_refused(
    study: Path, walked: Path, out: Path, record: str, cut: bool
) -> None:
    data = bytearray((out / record).read_bytes())
    data[len(data) // 2] ^= 4
    (out / record).write_bytes(data[: len(data) // 2] if cut else data)
    remade = None
    with contextlib.suppress(OutputExistsError):  # too damaged to be recognised as onegrain's
        remade = walk(study, out).made
    if remade is None:
        refused = out.joinpath(*Path(record).parts[:2])
        shutil.rmtree(refused) if refused.is_dir() else refused.unlink()
        remade = walk(study, out).made
    assert remade == 1
    assert content(out) == content(walked)


@pytest.mark.parametrize("record", ["rankings/f--nlm.parquet", "models/nlm/thesis.txt", "measures/nlm.json"])
def test_files_of_others_in_the_place_of_a_record_are_kept(study: Path, tmp_path: Path, record: str) -> None:
    thesis = tmp_path / "out" / record
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    with pytest.raises(OutputExistsError):
        walk(study, tmp_path / "out")
    assert thesis.read_text() == "years of work"


def test_a_name_that_leaves_the_folder_deletes_nothing(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "thesis.txt").write_text("years of work")
    (tmp_path / "work" / "out" / "models").mkdir(parents=True)
    study = write_study(tmp_path, SANDBOX_STUDY.replace("[models.nlm]", '[models."../../../victim"]'))
    with pytest.raises(ParameterError, match=r"\[models\]: the name '../../../victim'"):
        walk(study, tmp_path / "work" / "out")
    assert content(victim) == {"thesis.txt": b"years of work"}


@pytest.mark.parametrize(
    ("options", "named"),
    [("epoch = 1", "no option 'epoch'"), ('epochs = "1"', "whole number"), ("dropout = 1.5", "out of range")],
)
def test_training_options_are_checked_before_any_work(tmp_path: Path, options: str, named: str) -> None:
    study = write_study(tmp_path, SANDBOX_STUDY.replace("epochs = 1", options))
    with pytest.raises(ParameterError, match=r"\[models\] nlm.options: ") as error:
        walk(study, tmp_path / "out")
    assert named in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_corpus_that_changed_is_read_again(tmp_path: Path) -> None:
    study = write_study(
        tmp_path,
        SANDBOX_STUDY.replace('take = "test", parts = 1, sentences = 60, held_out = 20', "")
        .replace("test = { sandbox = {  } }", 'test = { path = "test.txt", format = "plain" }')
        .replace('method = "f-statistic"\nlabel = "upos"', 'method = "random"'),
    )
    (tmp_path / "test.txt").write_text("a dog sleeps\nthe cat sees a bird\n" * 4)
    walk(study, tmp_path / "out")
    assert walk(study, tmp_path / "out").made == 0
    (tmp_path / "test.txt").write_text("a dog sleeps\nthe cat sees a fish\n" * 4)
    assert walk(study, tmp_path / "out").made == 5


def test_a_model_is_read_in_the_languages_that_the_study_states(zoo: Zoo, tmp_path: Path) -> None:
    folder = shutil.copytree(zoo.path("mbart"), tmp_path / "mbart")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    unsaid = {name: value for name, value in config.items() if name not in ("src_lang", "tgt_lang")}
    (folder / "tokenizer_config.json").write_text(json.dumps(unsaid))
    (tmp_path / "a.txt").write_text("the old dog\nrain\n" * 3)

    def walk_in(languages: str) -> StudyRun:
        study = write_study(tmp_path, MBART.replace("LANGUAGES", languages))
        return walk(study, tmp_path / "out")

    with pytest.raises(ModelError, match="source_language"):
        walk_in("")
    for source in ("de_DE", "en_XX"):
        stated = f'source_language = "{source}"\ntarget_language = "de_DE"'
        assert walk_in(stated).made == 2
        assert walk_in(stated).made == 0
        languages = open_activations(tmp_path / "out/activations/m--a.zarr").provenance.parameters["languages"]
        assert languages == {"source": source, "target": "de_DE"}


@pytest.mark.slow
def test_a_study_killed_at_any_file_operation_ends_at_the_same_bytes(tmp_path: Path) -> None:
    assert kill_points(Path(__file__).with_name("killed_study.py"), tmp_path, "8") >= 50
