"""Test what a study file may contain, and how errors name its faults."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from onegrain.errors import CorpusError, ParameterError
from onegrain.studies import demo_study, read_study
from onegrain.studies.entries import CorpusSource
from onegrain.studies.read_corpora import load_corpus
from onegrain.studies.stages import plan_study
from support import ROOT
from support.studies import write_study

GOOD = """
title = "t"
[corpora]
a = { path = "a.txt" }
[models]
m = { path = "folder", test = "a" }
[rankings.p]
models = ["m"]
method = "lca"
label = "x"
corpus = "a"
"""


@pytest.mark.parametrize(
    "path", [demo_study(), *sorted((ROOT / "studies").glob("*.toml"))], ids=lambda p: p.name
)
def test_the_studies_of_the_project_are_sound(path: Path) -> None:
    outputs = [step.output for step in plan_study(read_study(path))]
    assert len(set(outputs)) == len(outputs)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("title", "titel"), "titel"),
        (('label = "x"', 'label = "x"\ncolour = 1'), "rankings.p.colour"),
        (('corpus = "a"', 'corpus = "b"'), "no corpus 'b'"),
        (('["m"]', '["n"]'), "no model 'n'"),
        (('path = "a.txt"', 'path = "a.txt", source = "b"'), "source and target"),
        (('path = "a.txt"', 'path = "a.txt", part = [3, 2]'), "part"),
        (('path = "folder"', 'kind = "nlm"'), "kind, train and valid"),
        (('path = "folder"', 'path = "folder", source_langauge = "de_DE"'), "models.m.source_langauge"),
        (('path = "folder"', 'path = "folder", source_language = 1'), "models.m.source_language"),
        (("[corpora]", "[corpora"), "study.toml"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, change: tuple[str, str], named: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ParameterError, match=r"study\.toml") as error:
        read_study(write_study(tmp_path, GOOD.replace(*change)))
    assert named in str(error.value)


def test_a_model_that_is_trained_states_no_languages(tmp_path: Path) -> None:
    trained = 'kind = "nmt", train = "a", valid = "a", target_language = "de_DE"'
    with pytest.raises(ParameterError, match=r"models\.m: target_language needs a path"):
        read_study(write_study(tmp_path, GOOD.replace('path = "folder"', trained)))


def test_languages_that_are_stated_are_part_of_a_recipe_and_others_leave_it_as_it_was(tmp_path: Path) -> None:
    plain, stated = (
        {step.output: step for step in plan_study(read_study(write_study(tmp_path, text)))}
        for text in (GOOD, GOOD.replace('path = "folder"', 'path = "folder", source_language = "de_DE"'))
    )
    for output in ("measures/m.json", "activations/m--a.zarr"):
        assert set(plain[output].recipe["model"]) == {"path", "kind", "train", "valid", "test", "options"}
        assert stated[output].recipe["model"] == plain[output].recipe["model"] | {"source_language": "de_DE"}


def test_an_ablation_needs_a_ranking_of_its_models(tmp_path: Path) -> None:
    ablation = '[ablations.x]\nmodels = ["m"]\nrankings = ["q"]\nmetric = "bleu"\ncorpus = "a"\n'
    with pytest.raises(ParameterError, match=r"ablations\.x: no rankings entry 'q'"):
        read_study(write_study(tmp_path, GOOD + ablation))


RANKINGS = """
[rankings.f]
models = ["m"]
method = "f-statistic"
corpus = "a"
label = "x"
[comparisons.c]
models = ["m"]
rankings = ["p", "f"]
label = "x"
train = "a"
test = "b"
"""
BOTH = GOOD.replace("[models]", 'b = { path = "b.txt" }\n[models]') + RANKINGS


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('"f-statistic"', '"f-statistics"'), "rankings.f: no ranking method 'f-statistics'"),
        (
            ('corpus = "a"\nlabel', 'corpus = "a"\nparameters = { q = 1 }\nlabel'),
            "f-statistic takes no parameter q",
        ),
        (('corpus = "a"\nlabel = "x"', 'corpus = "a"'), "f-statistic needs a label"),
        (('"f-statistic"', '"std"'), "std takes no label"),
        (('corpus = "a"\nlabel', 'corpus = "a"\ndev = "b"\nlabel'), "f-statistic uses no held-out words"),
        (('"f-statistic"', '"maxcorr"'), "f: maxcorr compares models; name two or more"),
        (('"f-statistic"', '"integrated-gradients"'), "integrated-gradients needs a running model"),
        (("[rankings.f]", "[rankings.p]"), "is not TOML"),
        (('["p", "f"]', '["p"]'), "comparisons.c.rankings"),
        (('["p", "f"]', '["p", "g"]'), "comparisons.c: no rankings entry 'g'"),
        (('corpus = "a"\nlabel', 'corpus = "a"\nsites = ["layers.0"]\nlabel'), "p, f rank different sites"),
        (('test = "b"', 'test = "a"'), "'p' is made from the tested words"),
        (
            ('corpus = "a"\nlabel', 'corpus = "b"\nlabel'),
            "'f' is made from the tested words; test on others than 'b'",
        ),
        (('test = "b"', 'test = "b"\nparameters = { q = 1 }'), "evaluate takes no parameter q"),
        (('test = "b"', 'test = "c"'), "comparisons.c: no corpus 'c'"),
    ],
)
def test_a_fault_of_a_ranking_or_comparison_is_named(
    tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    assert BOTH.count(change[0]) == 1
    with pytest.raises(ParameterError) as error:
        read_study(write_study(tmp_path, BOTH.replace(*change)))
    assert named in str(error.value)


def test_a_method_that_compares_models_ranks_each_against_the_others(tmp_path: Path) -> None:
    ranking = '[rankings.x]\nmodels = ["m", "n"]\ncorpus = "a"\nmethod = "maxcorr"\n'
    text = GOOD.replace("[rankings.p]", 'n = { path = "other" }\n[rankings.p]') + ranking
    steps = {step.output: step for step in plan_study(read_study(write_study(tmp_path, text)))}
    read = ("activations/m--a.zarr", "activations/n--a.zarr")
    assert steps["rankings/x--m.parquet"].needs == steps["rankings/x--n.parquet"].needs == read
    with pytest.raises(ParameterError, match=r"rankings\.x: maxcorr compares models; name two or more"):
        read_study(write_study(tmp_path, text.replace('["m", "n"]', '["m", "m"]')))


def test_the_stability_of_a_comparison_reads_the_other_models(tmp_path: Path) -> None:
    ranking = '[rankings.x]\nmodels = ["m", "n"]\ncorpus = "a"\nmethod = "maxcorr"\nstability = {}\n'
    text = GOOD.replace("[rankings.p]", 'n = { path = "other" }\n[rankings.p]') + ranking
    steps = {step.output: step for step in plan_study(read_study(write_study(tmp_path, text)))}
    assert steps["stability/x--n.parquet"].needs == (
        "activations/n--a.zarr", "activations/m--a.zarr", "rankings/x--n.parquet",
    )  # fmt: skip


def test_a_random_order_is_not_made_again_on_draws(tmp_path: Path) -> None:
    text = GOOD.replace('method = "lca"', 'method = "random"\nstability = { resamples = 2 }')
    with pytest.raises(ParameterError, match=r"rankings\.p: .*which random does not allow"):
        read_study(write_study(tmp_path, text))


FORMER = """
[probes."p 1"]
models = ["m"]
label = "x"
train = "a"
parameters = { lambda1 = [0.0, 1e-3] }
[crossmodel.c]
models = ["m", "m"]
corpus = "a"
method = "linreg"
"""


def test_tables_of_earlier_versions_are_refused_with_the_tables_to_write(tmp_path: Path) -> None:
    file = write_study(tmp_path, GOOD + FORMER)
    with pytest.raises(ParameterError) as error:
        read_study(file)
    message, _, tables = str(error.value).partition("\n\n")
    assert message == (
        f"{file}: [probes.NAME] and [crossmodel.NAME] are now [rankings.NAME] with a method; "
        "write in their place:"
    )
    assert tomllib.loads(tables)["rankings"] == {
        "p 1": {
            "method": "lca",
            "models": ["m"],
            "label": "x",
            "corpus": "a",
            "parameters": {"lambda1": [0.0, 1e-3]},
        },
        "c": {"method": "linreg", "models": ["m", "m"], "corpus": "a"},
    }
    for odd in ("probes = 3", "[probes]\np = 3", "[[crossmodel]]"):
        with pytest.raises(ParameterError, match=r"\[rankings\.NAME\] with a method"):
            read_study(write_study(tmp_path, odd))


def test_what_is_compared_is_read_and_ranked_first(tmp_path: Path) -> None:
    steps = {step.output: step for step in plan_study(read_study(write_study(tmp_path, BOTH)))}
    step = steps["evaluations/c--m.parquet"]
    assert step.stage.name == "evaluate"
    assert step.needs == (
        "activations/m--a.zarr",
        "activations/m--b.zarr",
        "rankings/p--m.parquet",
        "rankings/f--m.parquet",
    )
    assert set(step.needs) <= set(steps)


def test_steps_come_after_what_they_need() -> None:
    seen: set[str] = set()
    for step in plan_study(read_study(demo_study())):
        assert set(step.needs) <= seen, step.name
        seen.add(step.output)


def test_parts_are_disjoint_and_cover(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("".join(f"w{i}\n" for i in range(10)))
    parts = [load_corpus(CorpusSource(path="a.txt", part=(k, 3)), tmp_path) for k in (1, 2, 3)]
    assert sorted(word for part in parts for word in part.words) == sorted(f"w{i}" for i in range(10))
    assert parts[0].source == "a.txt"


def test_a_missing_corpus_says_how_to_point_at_it(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="ONEGRAIN_DATA"):
        load_corpus(CorpusSource(path="none.txt"), tmp_path)


VICTIMS = (
    "../../../victim",
    "/tmp/victim",
    "..",
    "",
    ".hidden",
    "a/b",
    "a\\b",
    "a--b",
    "x" * 300,
    "na\u00efve",
    "a\nb",
)


@pytest.mark.parametrize("name", VICTIMS)
@pytest.mark.parametrize("table", ["corpora", "models", "rankings", "comparisons", "ablations"])
def test_names_that_are_no_names_of_files_are_refused(tmp_path: Path, table: str, name: str) -> None:
    """Table and name are in the error, whatever the entry holds."""
    entries = {
        "corpora": '{ path = "a.txt" }',
        "models": '{ path = "folder" }',
        "rankings": '{ models = ["m"], method = "f-statistic", label = "x", corpus = "a" }',
        "comparisons": '{ models = ["m"], rankings = ["p", "p"], label = "x", train = "a" }',
        "ablations": '{ models = ["m"], rankings = ["p"], metric = "perplexity", corpus = "a" }',
    }
    entry = f"{json.dumps(name)} = {entries[table]}\n"
    headed = f"[{table}]\n"
    text = GOOD.replace(headed, headed + entry) if headed in GOOD else GOOD + headed + entry
    with pytest.raises(ParameterError, match=rf"study\.toml: .*\[{table}\]: the name"):
        read_study(write_study(tmp_path, text))


def test_a_name_that_a_study_may_have(tmp_path: Path) -> None:
    study = read_study(
        write_study(
            tmp_path, GOOD.replace("m = {", '"gpt2.5_large-v1" = {').replace('["m"]', '["gpt2.5_large-v1"]')
        )
    )
    assert list(study.models) == ["gpt2.5_large-v1"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"a = " + b"[" * 3000, "study.toml"),
        (b"a = " + b"{ a = " * 3000, "study.toml"),
        (b'title = "t"\n\nname = "\xff\xfe"\n', "study.toml:3: not UTF-8"),
        (b"title = 1\n[corpora]\n[models]\n", "title"),
        (b'title = "t"\nseed = "x"\n', "seed"),
        (b"seed = " + b"9" * 5000, "study.toml"),
        (b"title = \n", "line 1"),
        (b"", "title"),
    ],
)
def test_a_file_that_is_no_study_is_one_error(tmp_path: Path, content: bytes, named: str) -> None:
    (tmp_path / "study.toml").write_bytes(content)
    with pytest.raises(ParameterError, match=r"study\.toml") as error:
        read_study(tmp_path / "study.toml")
    assert named in str(error.value)


def test_a_folder_is_no_study(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="is a folder"):
        read_study(tmp_path)
