"""A study measures specificity, effects, uniqueness, constants and control, and its report shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.core.progress import silent
from onegrain.errors import ParameterError
from onegrain.interventions import Intervention
from onegrain.studies import read_study
from onegrain.studies.run import StudyRun, walk_study
from support.controlled import NUMBER, controlled_corpus, controlled_nmt
from support.studies import write_study
from support.tiny import plain_corpus, tiny_gpt2

STUDY = """
title = "What neurons are for"
seed = 3
[corpora]
text = { path = "text.txt", format = "lines", labels = { length = "text.length" } }
few = { path = "text.txt", format = "lines", labels = { length = "text.length" }, limit = 4 }
[models.lm]
path = "gpt2"
sites = ["layers.*", "layers.0.mlp"]
[rankings.length]
models = ["lm"]
method = "probeless"
label = "length"
corpus = "text"
[rankings.std]
models = ["lm"]
method = "std"
sites = ["layers.0.mlp"]
corpus = "text"
[specificity.words]
models = ["lm"]
rankings = ["length"]
corpus = "text"
edit = "mean"
where = { positions = [1, 2, 3] }
reference = "few"
parameters = { k = 3, min_count = 2, random_orders = 2, resamples = 100 }
[effects.paths]
models = ["lm"]
rankings = ["length", "std"]
corpus = "few"
parameters = { k = 3, random_orders = 2, resamples = 100 }
[uniqueness.sets]
models = ["lm"]
rankings = ["length"]
parameters = { k = 4, rounds = 2, random_sets = 2, lambda2 = [1e-3], resamples = 100, min_count = 2 }
[constants.best]
models = ["lm"]
rankings = ["length"]
corpus = "few"
k = 2
parameters = { steps = 2 }
"""

CONTROL = """
title = "Control"
seed = 3
[corpora.both]
path = "both.txt"
format = "lines"
annotate.Number.Sing = ["dog", "cat", "sleeps", "runs", "eats"]
annotate.Number.Plur = ["dogs", "cats", "sleep", "run", "eat"]
[corpora.french]
path = "french.txt"
format = "lines"
[models.nmt]
path = "nmt"
[rankings.number]
models = ["nmt"]
method = "probeless"
label = "Number"
sites = ["encoder.layers.0"]
corpus = "both"
[controls.plural]
models = ["nmt"]
rankings = ["number"]
layer = "Number"
value = "Sing"
wanted = "Plur"
corpus = "both"
lexicon = { corpus = "french", endings = { Sing = "", Plur = "s" }, parameters = { min_count = 1 } }
reference = "both"
parameters = { k = 2, betas = [0, 2], random_sets = 2 }
"""


def write_lines(path: Path, sentences: Any) -> None:
    path.write_text("".join(" ".join(words) + "\n" for words in sentences))


def write_words(tmp_path: Path) -> Path:
    """Write the labelled words and the study that reads them."""
    corpus = plain_corpus()
    write_lines(tmp_path / "text.txt", corpus.sentences())
    labels = corpus.layer("length").labels()
    rows = [labels[a:b] for a, b in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)]
    write_lines(tmp_path / "text.length", rows)
    return write_study(tmp_path, STUDY)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_words(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> StudyRun:
    """A finished run of the study, in a folder of the study file's folder."""
    study = write_words(tmp_path_factory.mktemp("causes"))
    tiny_gpt2(study.parent / "gpt2")
    return walk_study(study, study.parent / "out", workers=1, progress=silent)


def test_the_records_are_those_of_the_functions(made: StudyRun) -> None:
    out = made.report.parent
    folder = out.parent
    model = og.load_model(folder / "gpt2")
    text = og.read_corpus(folder / "text.txt", format="lines", labels={"length": folder / "text.length"})
    ranking = og.load(out / "rankings" / "length--lm.parquet")
    options: dict[str, Any] = {"k": 3, "random_orders": 2, "resamples": 100, "seed": 3}
    expected = og.specificity(
        model, ranking, text, edit="mean", where=og.Where(positions=(1, 2, 3)), min_count=2,
        reference=og.open_activations(out / "activations" / "lm--few.zarr"), **options,
    )  # fmt: skip
    record = og.load(out / "specificity" / "words--length--lm.parquet")
    np.testing.assert_allclose(record.cells["damage"], expected.cells["damage"], atol=1e-6)
    assert record.provenance.parameters == expected.provenance.parameters
    for name in ("length", "std"):
        order = og.load(out / "rankings" / f"{name}--lm.parquet")
        assert name == "length" or order.space.sites == ("layers.0.mlp",)
        effects = og.load(out / "effects" / f"paths--{name}--lm.parquet")
        again = og.effects(model, order, text.head(4), **options)
        np.testing.assert_allclose(effects.table["direct"], again.table["direct"], atol=1e-6)
    store = og.open_activations(out / "activations" / "lm--text.zarr")
    sets = og.uniqueness(
        "probeless", store, label="length", k=4, rounds=2, random_sets=2, seed=3,
        lambda2=[1e-3], resamples=100, min_count=2,
    )  # fmt: skip
    assert og.load(out / "uniqueness" / "sets--length--lm.parquet").rounds.equals(sets.rounds)
    constants = og.load(out / "constants" / "best--length--lm.parquet")
    best = og.optimal_constants(
        model, text.head(4), Intervention.of(ranking, 2, edit="optimal"), steps=2, progress=silent
    )
    np.testing.assert_allclose(constants.columns["optimal"], best.columns["optimal"], atol=1e-6)


def test_the_report_shows_every_record_and_nothing_is_made_twice(made: StudyRun) -> None:
    page = made.report.read_text()
    for section in ("specificity", "effects", "uniqueness", "constants"):
        assert f'id="{section}' in page
    assert "words by length" in page
    study = made.report.parents[1] / "study.toml"
    assert walk_study(study, made.report.parent, workers=1, progress=silent).made == 0


def test_a_study_controls_a_model_whose_words_it_annotates(tmp_path: Path) -> None:
    sides = [controlled_corpus(plural) for plural in (False, True)]
    write_lines(tmp_path / "both.txt", (words for side in sides for words in side.sentences()))
    write_lines(tmp_path / "french.txt", (words for side in sides for words in side.target.sentences()))  # type: ignore[union-attr]
    controlled_nmt(tmp_path / "nmt")
    run = walk_study(write_study(tmp_path, CONTROL), tmp_path / "out", workers=1, progress=silent)
    record = og.load(tmp_path / "out" / "controls" / "plural--number--nmt.parquet")
    assert NUMBER in record.neurons["top"]
    top = record.points[record.points["set"] == "top"]
    assert top["cases"].tolist() == top["successes"].tolist() == [18, 18]
    assert record.provenance.parameters["where"] == {"words": "Number=Sing"}
    assert 'id="control' in run.report.read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('edit = "mean"', 'edit = "sponge"'), "specificity.words: no edit 'sponge'"),
        (('reference = "few"\n', ""), "the edit mean needs a reference"),
        (("{ positions = [1, 2, 3] }", "{ postions = [1] }"), "where takes words, positions, part"),
        (('rankings = ["length"]\ncorpus = "text"', 'rankings = ["std"]\ncorpus = "text"'), "has no label"),
        (('rankings = ["length", "std"]', 'rankings = ["c"]'), "effects.paths: no rankings entry 'c'"),
        (("{ k = 3, min_count = 2,", "{ kk = 3, min_count = 2,"), "specificity takes no parameter kk"),
        (("{ k = 3, random_orders", "{ seed = 3, random_orders"), "use the study's own seed"),
        (
            ('rankings = ["length"]\nparameters = { k = 4', 'rankings = ["std"]\nparameters = { k = 4'),
            "no label",
        ),
        (("parameters = { k = 4", 'test = "text"\nparameters = { k = 4'), "made from the tested words"),
        (("{ steps = 2 }", '{ reference = "few" }'), "use the key 'reference'"),
    ],
)
def test_what_cannot_be_measured_is_named(study: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in STUDY
    study.write_text(STUDY.replace(*change))
    with pytest.raises(ParameterError) as error:
        read_study(study)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('wanted = "Plur"\n', ""), "give either corpus, lexicon and wanted, or sandbox"),
        (("endings = {", "ends = {"), "lexicon.ends"),
        (("{ min_count = 1 }", "{ share = 0.9 }"), "ending_lexicon takes no parameter share"),
        (("{ k = 2,", "{ ks = 2,"), "control takes no parameter ks"),
        (('Plur = ["dogs", "cats",', 'Plur = ["dogs", "cat",'), "each with one label"),
        (("annotate.Number.Sing", 'annotate.Gender = "none"\nannotate.Number.Sing'), "no corpus 'none'"),
        (("annotate.Number.Sing", 'annotate.Gender = "both"\nannotate.Number.Sing'), "is itself annotated"),
    ],
)
def test_what_cannot_be_controlled_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert change[0] in CONTROL
    with pytest.raises(ParameterError) as error:
        read_study(write_study(tmp_path, CONTROL.replace(*change)))
    assert message in str(error.value)


TRAINED = 'kind = "{kind}"\ntrain = "{corpus}"\nvalid = "{corpus}"'


def test_models_that_a_stage_cannot_work_on_are_named_before_any_work(study: Path, tmp_path: Path) -> None:
    study.write_text(STUDY.replace('path = "gpt2"', TRAINED.format(kind="nlm", corpus="text")))
    with pytest.raises(ParameterError, match=r"effects\.paths: lm is an LSTM"):
        walk_study(study, tmp_path / "out", workers=1, progress=silent)
    text = CONTROL.replace('path = "nmt"', TRAINED.format(kind="nlm", corpus="both"))
    with pytest.raises(ParameterError, match=r"controls\.plural: nmt is a language model"):
        walk_study(write_study(tmp_path, text), tmp_path / "out", workers=1, progress=silent)
    assert not (tmp_path / "out").exists()
