"""Minimal pairs of the sandbox language: one difference, which the grammar rules out."""

from __future__ import annotations

import pytest

from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus
from onegrain.records.minimal_pairs import require_minimal_pairs
from onegrain.synthetic import sandbox_pairs
from onegrain.synthetic.sandbox.lexicon.modifiers import TIME_ADVERBS

COUNT = 100
FEW = 40


def pairs_of(corpus: Corpus) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    sentences = list(corpus.sentences())
    return list(zip(sentences[::2], sentences[1::2], strict=True))


def labels_of(corpus: Corpus, layer: str, number: int) -> list[str | None]:
    return corpus.layer(layer).labels()[corpus.offsets[number] : corpus.offsets[number + 1]]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_number_pairs_differ_in_the_verb(language: str) -> None:
    corpus = sandbox_pairs(COUNT, "number", language=language)
    require_minimal_pairs(corpus)
    for number, (good, bad) in enumerate(pairs_of(corpus)):
        (place,) = [place for place, (a, b) in enumerate(zip(good, bad, strict=True)) if a != b]
        numbers = {labels_of(corpus, "Number", 2 * number + side)[place] for side in (0, 1)}
        assert numbers == {"Sing", "Plur"}
        for side in (0, 1):
            assert "VerbForm=Fin" in str(labels_of(corpus, "feats", 2 * number + side)[place])
            assert labels_of(corpus, "Person", 2 * number + side)[place] == "3"
    assert corpus.layer("paradigm").vocabulary == ("sandbox_number",)


def test_english_verbs_disagree_with_their_subjects() -> None:
    """Independent of the generator: pronouns say their number by themselves."""
    known = {"he": "Sing", "she": "Sing", "they": "Plur"}
    seen = 0
    corpus = sandbox_pairs(COUNT, "number", seed=3)
    for number in range(COUNT):
        words, feats = corpus.sentence(2 * number), labels_of(corpus, "feats", 2 * number)
        if words[0] in known:
            seen += 1
            finite = next(f for f in feats if f and "VerbForm=Fin" in f)
            assert f"Number={known[words[0]]}" in finite
    assert seen > 10


def test_subjects_of_both_numbers_are_left_out() -> None:
    german = sandbox_pairs(COUNT, "number", language="de")
    assert not any(words[0] == "sie" for words in german.sentences())
    assert any(words[0] == "er" for words in german.sentences())
    english = sandbox_pairs(COUNT, "number")
    assert not any({"sheep", "fish"} & set(words[:2]) for words in english.sentences())


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_tense_pairs_differ_from_what_their_adverb_requires(language: str) -> None:
    index = {"en": "english", "fr": "french", "de": "german"}[language]
    adverbs = {getattr(word, index): word.when for word in TIME_ADVERBS if word.when != "any"}
    for good, bad in pairs_of(sandbox_pairs(FEW, "tense", language=language)):
        assert good != bad
        assert [word for word in good if word in adverbs] == [word for word in bad if word in adverbs]
        assert any(word in adverbs for word in good)


def test_english_tense_pairs_say_the_wrong_tense() -> None:
    corpus = sandbox_pairs(FEW, "tense")
    for number in range(FEW):
        good, bad = corpus.sentence(2 * number), corpus.sentence(2 * number + 1)
        tenses = labels_of(corpus, "Tense", 2 * number), labels_of(corpus, "Tense", 2 * number + 1)
        if "yesterday" in good:
            assert "Past" in tenses[0] or "did" in good
            assert "Pres" in tenses[1]
        elif "tomorrow" in good or "soon" in good:
            assert "will" in good
            assert "will" not in bad
        else:
            assert "now" in good


@pytest.mark.parametrize("language", ["fr", "de"])
def test_gender_pairs_keep_the_noun(language: str) -> None:
    corpus = sandbox_pairs(COUNT, "gender", language=language)
    for number, (good, bad) in enumerate(pairs_of(corpus)):
        assert good != bad
        upos = labels_of(corpus, "upos", 2 * number), labels_of(corpus, "upos", 2 * number + 1)
        nouns = [
            [word for word, tag in zip(words, tags, strict=True) if tag in ("NOUN", "VERB")]
            for words, tags in zip((good, bad), upos, strict=True)
        ]
        assert nouns[0][:1] == nouns[1][:1]


def test_translations_share_their_source() -> None:
    corpus = sandbox_pairs(40, "gender", language="en", parallel="fr")
    assert corpus.target is not None
    require_minimal_pairs(corpus)
    require_minimal_pairs(corpus.target)
    assert all(good == bad for good, bad in pairs_of(corpus))
    assert all(good != bad for good, bad in pairs_of(corpus.target))


def test_pairs_are_distinct_and_follow_the_seed() -> None:
    corpus = sandbox_pairs(COUNT, seed=4)
    assert len({good for good, _ in pairs_of(corpus)}) == COUNT
    assert corpus.same_words(sandbox_pairs(COUNT, seed=4))
    assert corpus.head(20).same_words(sandbox_pairs(10, seed=4))
    assert not corpus.same_words(sandbox_pairs(COUNT, seed=5))


def test_refusals() -> None:
    with pytest.raises(ParameterError, match="property must be one of number, tense, gender, got 'case'"):
        sandbox_pairs(3, "case")
    with pytest.raises(ParameterError, match="no English word agrees"):
        sandbox_pairs(3, "gender")
    with pytest.raises(ParameterError, match="no English word agrees"):
        sandbox_pairs(3, "gender", language="fr", parallel="en")
    with pytest.raises(ParameterError, match="no sandbox language 'nl'"):
        sandbox_pairs(3, language="nl")
    with pytest.raises(ParameterError, match="n_pairs must be 1 or more"):
        sandbox_pairs(0)
