from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from onegrain.errors import ParameterError
from onegrain.metrics import BLEU, ChrF
from onegrain.metrics.translation import TranslationMetric
from onegrain.models import LoadedModel, load_model
from onegrain.records.corpus import Corpus
from support.tiny import parallel_corpus, plain_corpus, tiny_nlm, tiny_nmt

REFERENCES = [
    "the cat sat on the mat .",
    "a dog , a bird and 3.5 fish !",
    "no",
    'she said : "that \'s all" .',
    "the end of the very long story is near .",
]
TRANSLATIONS = [
    "the cat sat on a mat .",
    "a dog and a bird , 3.5 fish !",
    "",
    "She said that is all .",
    "the end of the the the story is near .",
]


def pairs(references: list[str]) -> Corpus:
    target = Corpus.from_sentences([line.split() for line in references])
    return Corpus.from_sentences([["x"]] * len(references)).with_target(target)


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_model(tiny_nmt(tmp_path_factory.mktemp("models") / "nmt"), device="cpu")


@pytest.mark.parametrize("tokenize", ["none", "13a", "intl", "char"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_bleu_is_sacrebleus(tokenize: str, lowercase: bool) -> None:
    measurement = BLEU(pairs(REFERENCES), tokenize=tokenize, lowercase=lowercase).score(TRANSLATIONS)
    metric = sacrebleu.BLEU(tokenize=tokenize, lowercase=lowercase)
    assert measurement.value == metric.corpus_score(TRANSLATIONS, [REFERENCES]).score
    assert measurement.signature == f"{metric.get_signature()}|beams:1"


@pytest.mark.parametrize("lowercase", [False, True])
def test_chrf_is_sacrebleus(lowercase: bool) -> None:
    measurement = ChrF(pairs(REFERENCES), beams=4, lowercase=lowercase).score(TRANSLATIONS)
    metric = sacrebleu.CHRF(lowercase=lowercase)
    assert measurement.value == metric.corpus_score(TRANSLATIONS, [REFERENCES]).score
    assert measurement.signature == f"{metric.get_signature()}|beams:4"


WORDS = st.lists(st.sampled_from(["a", "b", "ab", "aba", "C", "."]), max_size=8).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6), st.sampled_from([BLEU, ChrF]))
def test_the_summed_statistics_give_sacrebleus_score(
    lines: list[tuple[str, str]], kind: type[BLEU] | type[ChrF]
) -> None:
    """What the bootstrap computes for a draw is what sacrebleu computes for the drawn sentences."""
    translations, references = [translation for translation, _ in lines], [wanted for _, wanted in lines]
    metric: Any = kind(pairs(references))
    measurement = metric.score(translations)
    sacre = sacrebleu.BLEU(tokenize="none", force=True) if kind is BLEU else sacrebleu.CHRF()
    assert metric._score(measurement.statistics.sum(0)) == pytest.approx(measurement.value, abs=1e-9)
    draw = [0, 0, len(lines) - 1]
    drawn = sacre.corpus_score([translations[i] for i in draw], [[references[i] for i in draw]]).score
    assert metric._score(measurement.statistics[draw].sum(0)) == pytest.approx(drawn, abs=1e-9)
    assert measurement.statistics.shape == (len(lines), len(measurement.columns))


@pytest.mark.parametrize("kind", [BLEU, ChrF])
def test_perfect_and_empty_translations(kind: type[BLEU] | type[ChrF]) -> None:
    metric = kind(pairs(REFERENCES))
    perfect, empty = metric.score(REFERENCES), metric.score([""] * 5)
    assert [perfect.value, perfect.low, perfect.high] == pytest.approx([100.0] * 3)
    assert [empty.value, empty.low, empty.high] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("kind", [BLEU, ChrF])
def test_the_order_of_sentences_does_not_matter(kind: type[BLEU] | type[ChrF]) -> None:
    forward = kind(pairs(REFERENCES)).score(TRANSLATIONS)
    backward = kind(pairs(REFERENCES[::-1])).score(TRANSLATIONS[::-1])
    assert forward.value == pytest.approx(backward.value)
    assert forward.low <= forward.value <= forward.high


@pytest.mark.parametrize("kind", [BLEU, ChrF])
@pytest.mark.parametrize("beams", [1, 3])
def test_a_model_is_measured_by_its_translations(
    translator: LoadedModel, kind: type[BLEU] | type[ChrF], beams: int
) -> None:
    corpus = parallel_corpus()
    translations = translator.translate(corpus, beams=beams, max_new_tokens=9)
    metric: TranslationMetric = kind(corpus.with_target(_said(translations)), beams=beams, max_new_tokens=9)
    assert metric.measure(translator, batch_size=3).value == pytest.approx(100.0)
    assert metric.parameters["beams"] == beams
    assert metric.parameters["target"]["n_sentences"] == 8


def _said(lines: list[str]) -> Corpus:
    return Corpus.from_sentences([line.split() for line in lines])


def test_the_parameters_tell_how_bleu_is_computed() -> None:
    parameters = BLEU(parallel_corpus(), tokenize="13a", lowercase=True).parameters
    assert parameters["tokenize"] == "13a"
    assert parameters["lowercase"] is True
    assert parameters["max_new_tokens"] == 128


@pytest.mark.parametrize("kind", [BLEU, ChrF])
def test_refusals(kind: type[BLEU] | type[ChrF], tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(ParameterError, match="no parallel side"):
        kind(plain_corpus())
    with pytest.raises(ParameterError, match="beams must be 1 or more"):
        kind(parallel_corpus(), beams=0)
    with pytest.raises(ParameterError, match="max_new_tokens"):
        kind(parallel_corpus(), max_new_tokens=0)
    with pytest.raises(ParameterError, match="no sentence"):
        kind(parallel_corpus().head(0))
    with pytest.raises(ParameterError, match="2 translations for 8 references"):
        kind(parallel_corpus()).score(["a", "b"])
    language_model = load_model(tiny_nlm(tmp_path_factory.mktemp("models") / "nlm"), device="cpu")
    with pytest.raises(ParameterError, match="not a translation model"):
        kind(parallel_corpus()).measure(language_model)


def test_an_unknown_tokenizer_is_refused() -> None:
    with pytest.raises(ParameterError, match="none, 13a, intl, char"):
        BLEU(parallel_corpus(), tokenize="spm")


def test_one_sentence_alone_is_its_own_interval() -> None:
    measurement = BLEU(pairs(REFERENCES[:1])).score(TRANSLATIONS[:1])
    assert measurement.low == measurement.high == pytest.approx(measurement.value)
    assert np.isfinite(measurement.value)
