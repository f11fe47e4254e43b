"""Test that a corpus keeps how its words are written in running text."""

from __future__ import annotations

import numpy as np
import pytest

from onegrain.activations.extraction.special_tokens import with_special_tokens
from onegrain.corpora import annotate_regex, control_task
from onegrain.errors import CorpusError, MismatchError
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus
from onegrain.records.running_text import Form

SENTENCES = [["I", "do", "n't", "."], ["vue", "de", "le", "port"]]
FORMS = [
    [Form("I"), Form("do", False), Form("n't", False), Form(".", False)],
    [Form("vue"), Form("du", False), Form(""), Form("port")],
]


def corpus() -> Corpus:
    labels = {"upos": [["P", "A", "R", "."], ["N", "A", "D", "N"]]}
    return Corpus.from_sentences(SENTENCES, labels, source="ud", forms=FORMS)


def test_the_text_of_a_sentence_has_its_own_spaces():
    assert list(corpus().texts()) == ["I don't.", "vue du port"]
    assert list(corpus().apart().texts()) == ["I do n't .", "vue de le port"]


def test_a_sentence_ends_with_a_space_whatever_its_last_word_says():
    spaces = corpus().running.spaces
    assert spaces.tolist() == [True, False, False, True, True, False, True, True]


def test_a_space_after_every_word_says_nothing():
    plain = Corpus.from_sentences(SENTENCES)
    told = Corpus.from_sentences(SENTENCES, forms=[[Form(word) for word in words] for words in SENTENCES])
    assert told.running is None
    assert told.forms() is None
    assert told.content_hash == plain.content_hash == corpus().apart().content_hash


def test_the_hash_knows_spaces_and_forms():
    other = [FORMS[0], [Form("vue"), Form("de", False), Form("le"), Form("port")]]
    corpora = [corpus(), corpus().apart(), Corpus.from_sentences(SENTENCES, forms=other)]
    assert len({text.content_hash for text in corpora}) == 3


def test_selection_annotation_control_and_case_keep_the_running_text():
    kept = corpus().select([1, 0])
    assert list(kept.texts()) == ["vue du port", "I don't."]
    assert kept.forms(1) == [corpus().forms()[0]]
    assert list(corpus().head(1).texts()) == ["I don't."]
    assert list(corpus().lower().texts()) == ["i don't.", "vue du port"]
    assert list(annotate_regex(corpus(), "long", "...+").texts()) == list(corpus().texts())
    assert list(control_task(corpus(), layer="upos")[0].texts()) == list(corpus().texts())
    assert corpus().select([]).running is None


def test_special_tokens_stand_around_the_running_text():
    framed = with_special_tokens(corpus(), ["<s>"], ["</s>"])
    assert list(framed.texts()) == ["<s> I don't. </s>", "<s> vue du port </s>"]


def test_the_parallel_side_has_its_own():
    both = Corpus.from_sentences([["a"], ["b"]]).with_target(corpus())
    assert both.running is None
    assert list(both.select([1]).target.texts()) == ["vue du port"]
    assert both.apart().target.running is None


def test_labels_fit_the_same_words_wherever_the_spaces_are():
    values = np.zeros((8, 2), dtype=np.float32)
    read, plain = Activations.from_array(values, corpus()), Activations.from_array(values, corpus().apart())
    relabelled = read.with_corpus(annotate_regex(corpus().apart(), "long", "...+"))
    assert relabelled.corpus.content_hash == corpus().content_hash
    assert "long" in relabelled.corpus.layers
    with pytest.raises(MismatchError, match="or of spaces elsewhere between them"):
        read.require_same_words(plain)


def test_forms_for_other_words_are_refused():
    with pytest.raises(CorpusError, match="not one form of running text for every word"):
        Corpus.from_sentences(SENTENCES, forms=FORMS[:1])
    with pytest.raises(CorpusError, match="8 forms of running text for 4 words"):
        Corpus(tuple(SENTENCES[0]), np.array([0, 4]), running=corpus().running)
