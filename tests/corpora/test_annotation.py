"""Annotation: planted words, a naive loop, and refusals."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onegrain.corpora import annotate_regex, annotate_with, annotate_words, read_word_list
from onegrain.errors import CorpusError, LabelError, ParameterError
from onegrain.records.corpus import Corpus
from onegrain.synthetic import sandbox

CORPUS = Corpus.from_sentences([["he", "was", "running"], ["rings", "May"]])


def test_regex_matches_whole_words() -> None:
    assert annotate_regex(CORPUS, "ing", "r.*ing").layer("ing").labels() == ["no", "no", "yes", "no", "no"]
    marked = annotate_regex(CORPUS, "m", re.compile("MAY", re.IGNORECASE), labels=("month", "other"))
    assert marked.layer("m").counts() == {"month": 1, "other": 4}


def test_regex_agrees_with_a_loop() -> None:
    corpus = sandbox(200, seed=4)
    layer = annotate_regex(corpus, "s", ".*s").layer("s")
    assert layer.labels() == ["yes" if word.endswith("s") else "no" for word in corpus.words]


def test_words_from_a_list_a_mapping_and_a_file(tmp_path: Path) -> None:
    assert annotate_words(CORPUS, "be", {"was": "past"}).layer("be").labels() == [
        None,
        "past",
        None,
        None,
        None,
    ]
    assert annotate_words(CORPUS, "m", ["May", "June"]).layer("m").counts() == {"no": 4, "yes": 1}
    listed = tmp_path / "list.txt"
    listed.write_text("May\n\nJune\n")
    assert annotate_words(CORPUS, "m", listed).layer("m").labels()[-1] == "yes"
    listed.write_text("was\tpast\nMay\tmonth\n")
    assert annotate_words(CORPUS, "m", str(listed)).layer("m").vocabulary == ("month", "past")


def test_function_sees_the_sentence() -> None:
    first = annotate_with(CORPUS, "first", lambda words, index: words[0] if index else None)
    assert first.layer("first").labels() == [None, "he", "he", None, "rings"]
    assert "first" not in CORPUS.layers


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"returned 3 for 'running' \(word 2 of sentence 0"):
        annotate_with(CORPUS, "n", lambda words, index: 3 if words[index] == "running" else "x")  # type: ignore[arg-type,return-value]
    with pytest.raises(ParameterError, match="not a regular expression"):
        annotate_regex(CORPUS, "x", "(")
    with pytest.raises(ParameterError, match="two different labels"):
        annotate_regex(CORPUS, "x", "a", labels=("a", "a"))
    with pytest.raises(ParameterError, match="two different labels"):
        annotate_words(CORPUS, "x", ["a"], labels=("a", "a"))
    with pytest.raises(ParameterError, match="empty"):
        annotate_words(CORPUS, "x", [])
    listed = tmp_path / "list.txt"
    listed.write_text("a\tx\nb\n")
    with pytest.raises(CorpusError, match=r"list.txt:2: expected a word, a tab and a label"):
        read_word_list(listed)
    listed.write_text("a\tx\na\ty\n")
    with pytest.raises(CorpusError, match=r"list.txt:2: 'a' has two labels"):
        read_word_list(listed)
