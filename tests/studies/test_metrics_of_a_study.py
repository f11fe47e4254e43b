"""A study may ask for every metric of the registry."""

from __future__ import annotations

from pathlib import Path

import pytest
import sacrebleu

from onegrain.core.progress import silent
from onegrain.errors import ParameterError
from onegrain.interventions import erasing
from onegrain.metrics import MinimalPairDifference
from onegrain.models import load_model
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.studies import read_study
from onegrain.studies.run import walk_study
from onegrain.synthetic import sandbox_pairs
from support.studies import write_study
from support.tiny import parallel_corpus, tiny_nmt

STUDY = """
title = "chrF of a translation model"
[corpora]
pairs = { source = "source.txt", target = "target.txt" }
[models.nmt]
path = "nmt"
[rankings.r]
models = ["nmt"]
method = "random"
corpus = "pairs"
[ablations.characters]
models = ["nmt"]
rankings = ["r"]
metric = "chrf"
corpus = "pairs"
parameters = { counts = [0, 40], random_orders = 1 }
metric_parameters = { beams = 2, max_new_tokens = 9 }
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    corpus = parallel_corpus()
    assert corpus.target is not None
    for name, side in (("source", corpus), ("target", corpus.target)):
        (tmp_path / f"{name}.txt").write_text("".join(" ".join(words) + "\n" for words in side.sentences()))
    return write_study(tmp_path, STUDY)


def test_a_study_measures_chrf_as_sacrebleu_does(study: Path) -> None:
    tiny_nmt(study.parent / "nmt")
    out = walk_study(study, study.parent / "out", workers=1, progress=silent).report.parent
    curve = Curve.load(out / "curves" / "characters--r--nmt.parquet")
    ranking = Ranking.load(out / "rankings" / "r--nmt.parquet")
    model, corpus = load_model(study.parent / "nmt", device="cpu"), parallel_corpus()
    assert corpus.target is not None
    references = [" ".join(words) for words in corpus.target.sentences()]
    with erasing(model, ranking.space, ranking.order[:40]):
        translations = model.translate(corpus, beams=2, max_new_tokens=9)
    expected = sacrebleu.CHRF().corpus_score(translations, [references]).score
    point = curve.line("top").set_index("neurons").loc[40]
    assert (curve.metric, curve.higher_is_better) == ("chrf", True)
    assert point["value"] == pytest.approx(expected)
    assert point["low"] <= expected <= point["high"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"chrf"', '"ter"'), "no metric 'ter'; the metrics are: perplexity, bleu, chrf"),
        (("beams = 2", 'tokenize = "13a"'), "chrf has no parameter tokenize"),
    ],
)
def test_a_metric_or_parameter_that_does_not_exist_is_named(
    study: Path, change: tuple[str, str], message: str
) -> None:
    study.write_text(STUDY.replace(*change))
    with pytest.raises(ParameterError, match=r"ablations\.characters") as error:
        read_study(study)
    assert message in str(error.value)


PAIRS = """
title = "Agreement in the sandbox language"
[corpora]
words = { source = "source.txt", target = "target.txt" }
agreement = { sandbox = { pairs = "number", held_out = 6, seed = 2, language = "en", parallel = "fr" } }
[models.nmt]
path = "nmt"
[rankings.r]
models = ["nmt"]
method = "random"
corpus = "words"
[ablations.agreement]
models = ["nmt"]
rankings = ["r"]
metric = "minimal_pair_difference"
corpus = "agreement"
parameters = { counts = [0, 40], random_orders = 1 }
"""


def test_a_study_measures_minimal_pairs_of_the_sandbox_language(study: Path) -> None:
    write_study(study.parent, PAIRS)
    tiny_nmt(study.parent / "nmt")
    out = walk_study(study, study.parent / "out", workers=1, progress=silent).report.parent
    curve = Curve.load(out / "curves" / "agreement--r--nmt.parquet")
    pairs = sandbox_pairs(6, "number", seed=2, parallel="fr")
    expected = MinimalPairDifference(pairs).measure(load_model(study.parent / "nmt", device="cpu"))
    assert curve.intact == pytest.approx(expected.value)
    recipe = read_study(study).corpora_recipe("agreement")
    assert recipe["agreement"]["sandbox"]["pairs"] == "number"


def test_a_sandbox_corpus_is_a_part_or_pairs(study: Path) -> None:
    both = PAIRS.replace('pairs = "number"', 'pairs = "number", take = "test"')
    with pytest.raises(ParameterError, match="give one of: take, pairs"):
        read_study(write_study(study.parent, both))
    part = PAIRS.replace('pairs = "number"', 'take = "test"')
    recipe = read_study(write_study(study.parent, part)).corpora_recipe("agreement")
    assert "pairs" not in recipe["agreement"]["sandbox"]
