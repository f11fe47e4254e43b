"""The sandbox corpora: determinism, completeness, held-out text, exact translations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onegrain.errors import ParameterError
from onegrain.records.corpus import UNLABELLED, Corpus
from onegrain.synthetic import sandbox, sandbox_parts
from onegrain.synthetic.sandbox.lexicon.modifiers import (
    ADJECTIVES,
    FREQUENCY,
    MANNER,
    MONTHS,
    NAMES,
    NUMERALS,
    PLACE_ADVERBS,
    TIME_ADVERBS,
    TOWNS,
    WEEKDAYS,
)
from onegrain.synthetic.sandbox.lexicon.nouns import NOUNS
from onegrain.synthetic.sandbox.lexicon.verbs import VERBS

_HASHES = (
    "from onegrain import sandbox\n"
    "c = sandbox(150, seed=7, parallel='de')\n"
    "print(c.content_hash, c.target.content_hash, c.layers['feats'].codes.sum(), c.layers['xpos'].vocabulary)"
)


@pytest.fixture(scope="module")
def english() -> Corpus:
    return sandbox(6000, seed=11, parallel="fr")


@pytest.fixture(scope="module")
def german() -> Corpus:
    return sandbox(6000, seed=11, language="de", parallel="en")


def test_same_seed_same_bytes_in_any_process() -> None:
    outputs = []
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        process = subprocess.run(
            [sys.executable, "-c", _HASHES], env=environment, capture_output=True, text=True, check=True
        )
        outputs.append(process.stdout)
    assert outputs[0] == outputs[1]
    assert sandbox(150, seed=7).content_hash == outputs[0].split()[0]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), language=st.sampled_from(["en", "fr", "de"]), count=st.integers(1, 30))
def test_any_seed_gives_complete_sentences(seed: int, language: str, count: int) -> None:
    parallel = "en" if language != "en" else "fr"
    corpus = sandbox(count, seed=seed, language=language, parallel=parallel)
    assert corpus.target is not None
    assert corpus.n_sentences == corpus.target.n_sentences == count
    for name in ("upos", "feats", *(("xpos", "supersense") if language == "en" else ())):
        layer = corpus.layer(name)
        assert (layer.codes != UNLABELLED).all()
    assert "_" not in corpus.layers.get("xpos", corpus.layer("upos")).vocabulary
    for side in (corpus, corpus.target):
        for sentence in side.sentences():
            assert sentence[-1] in (".", "?")
            assert all(word and word == word.lower() and not set(word) & set(" |/*_") for word in sentence)


def test_a_longer_corpus_begins_with_the_shorter() -> None:
    short, long = sandbox(20, seed=3, parallel="fr"), sandbox(60, seed=3, parallel="fr")
    assert long.head(20).words == short.words
    assert short.words != sandbox(20, seed=4).words


def test_one_english_sentence_has_one_translation(english: Corpus, german: Corpus) -> None:
    assert german.target is not None
    assert english.target is not None
    assert german.target.words == english.words
    translations: dict[tuple[str, ...], tuple[tuple[str, ...], tuple[str, ...]]] = {}
    triples = zip(english.sentences(), english.target.sentences(), german.sentences(), strict=True)
    for source, french, german_words in triples:
        assert translations.setdefault(source, (french, german_words)) == (french, german_words)


def test_ambiguous_forms_occur_with_several_parts_of_speech(english: Corpus) -> None:
    upos, xpos = defaultdict(set), defaultdict(set)
    for word, part, tag in zip(
        english.words, english.layer("upos").labels(), english.layer("xpos").labels(), strict=True
    ):
        upos[word].add(part)
        xpos[word].add(tag)
    assert upos["that"] == {"SCONJ", "DET", "PRON"}
    assert upos["to"] == {"PART", "ADP"}
    assert upos["light"] == {"NOUN", "ADJ", "VERB"}
    assert upos["walk"] == {"NOUN", "VERB"}
    assert upos["before"] == {"ADP", "SCONJ"}
    assert xpos["her"] == {"PRP", "PRP$"}
    assert sum(len(parts) > 1 for parts in upos.values()) >= 30


def test_the_lexicon_is_rich_and_its_frequencies_fall(english: Corpus) -> None:
    lemmas = {verb.english[0] + verb.frame for verbs in VERBS.values() for verb in verbs}
    lemmas |= {noun.english[0] for nouns in NOUNS.values() for noun in nouns}
    lemmas |= {adjective.english for adjective in ADJECTIVES} | {name.form for name in NAMES}
    for words in (FREQUENCY, MANNER, MONTHS, NUMERALS, PLACE_ADVERBS, TIME_ADVERBS, TOWNS, WEEKDAYS):
        lemmas |= {word.english for word in words}
    assert len(lemmas) >= 400
    counts = [english.words.count(word) for word in ("man", "friend", "sailor")]
    assert counts == sorted(counts, reverse=True)
    assert {"n.TIME", "n.PERSON", "v.motion", "p.Goal"} <= set(english.layer("supersense").vocabulary)


def test_parts_are_disjoint() -> None:
    parts = sandbox_parts(3, sentences=1500, held_out=200, seed=2, parallel="de")
    corpora = [*parts.train, parts.valid, parts.test]
    assert [corpus.n_sentences for corpus in corpora] == [1500, 1500, 1500, 200, 200]
    sentences = [sentence for corpus in corpora for sentence in corpus.sentences()]
    assert len(set(sentences)) == len(sentences)
    repeated = sandbox_parts(3, sentences=1500, held_out=200, seed=2, parallel="de")
    assert [corpus.content_hash for corpus in repeated.train] == [corpus.content_hash for corpus in parts.train]
    assert parts.test.target is not None
    assert parts.test.target.n_sentences == 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "it"}, "en, fr, de"),
        ({"parallel": "it"}, "en, fr, de"),
        ({"parallel": "en"}, "two different"),
        ({"seed": -1}, "seed"),
        ({"n_sentences": 0}, "n_sentences"),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        sandbox(**{"n_sentences": 1, **options})
    with pytest.raises(ParameterError, match="held_out"):
        sandbox_parts(1, 1, 0)
