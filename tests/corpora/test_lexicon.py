"""Lexicons of the values of words, from labels and from endings."""

from __future__ import annotations

import pytest

from onegrain.corpora import ending_lexicon, value_lexicon
from onegrain.errors import LabelError, ParameterError
from onegrain.records.corpus import Corpus
from onegrain.synthetic import sandbox

FRENCH = [
    ["le", "chien", "noir", "voit", "les", "chiens", "noirs"],
    ["les", "petits", "chats", "et", "le", "petit", "chat", "dorment"],
    ["le", "bras", ",", "les", "bras"],
]


def test_words_with_several_labels_are_left_out() -> None:
    words = [["fish"] * 9 + ["dog"] * 3 + ["deer"] * 2 + ["once"]]
    labels = [["Sing"] * 9 + ["Sing", "Sing", "Plur"] + ["Plur", "Sing"] + ["Sing"]]
    corpus = Corpus.from_sentences(words, {"Number": labels})
    assert value_lexicon(corpus, "Number") == {"fish": "Sing"}
    assert value_lexicon(corpus, "Number", share=0.6) == {"fish": "Sing", "dog": "Sing"}
    assert value_lexicon(corpus, "Number", min_count=1) == {"fish": "Sing", "once": "Sing"}


def test_words_that_mostly_have_no_label_are_left_out() -> None:
    words, labels = [["the"] * 9 + ["dogs"] * 2], [[None] * 7 + ["Plur"] * 2 + ["Plur"] * 2]
    corpus = Corpus.from_sentences(words, {"Number": labels})
    assert value_lexicon(corpus, "Number") == {"dogs": "Plur"}


def test_a_lexicon_of_sandbox_text_agrees_with_its_grammar() -> None:
    corpus = sandbox(400, seed=1, language="fr")
    lexicon = value_lexicon(corpus, "Number", share=1.0)
    for word, label in zip(corpus.words, corpus.layer("Number").labels(), strict=True):
        if word in lexicon and label is not None:
            assert lexicon[word] == label
    assert (lexicon["le"], lexicon["les"]) == ("Sing", "Plur")


def test_endings_need_both_forms() -> None:
    corpus = Corpus.from_sentences(FRENCH)
    assert ending_lexicon(corpus, {"Sing": "", "Plur": "s"}, min_count=1) == {
        "chat": "Sing", "chats": "Plur", "chien": "Sing", "chiens": "Plur", "noir": "Sing", "noirs": "Plur",
        "petit": "Sing", "petits": "Plur",
    }  # fmt: skip
    longer = ending_lexicon(corpus, {"Sing": "", "Plur": "s"}, min_count=1, min_stem=5)
    assert set(longer) == {"chien", "chiens", "petit", "petits"}


def test_what_gives_no_lexicon_is_refused() -> None:
    corpus = Corpus.from_sentences(FRENCH, {"Number": [[None] * len(words) for words in FRENCH]})
    with pytest.raises(LabelError, match="no label layer 'Tense'"):
        value_lexicon(corpus, "Tense")
    with pytest.raises(ParameterError, match="no word of"):
        value_lexicon(corpus, "Number")
    with pytest.raises(ParameterError, match=r"share must be above 0\.5"):
        value_lexicon(corpus, "Number", share=0.5)
    with pytest.raises(ParameterError, match="two values or more with different endings"):
        ending_lexicon(corpus, {"Sing": "s", "Plur": "s"})
    with pytest.raises(ParameterError, match="lower min_count"):
        ending_lexicon(corpus, {"Sing": "", "Plur": "s"}, min_count=50)
