"""SpaceAfter=No and multiword tokens of CoNLL-U."""

from __future__ import annotations

import pytest

from onegrain.corpora import read_corpus
from onegrain.errors import CorpusError


def conllu(*rows: str) -> str:
    """CoNLL-U of ``ID FORM [MISC]`` rows; an empty row ends a sentence."""
    sentences = []
    for row in rows:
        number, form, *misc = row.split(" ") if row else ["", ""]
        columns = [number, form, "_", "X", "_", "_", "_", "_", "_", misc[0] if misc else "_"]
        sentences.append("\t".join(columns) if row else "")
    return "\n".join([*sentences, "", ""])


def read(tmp_path, *rows: str):
    path = tmp_path / "text.conllu"
    path.write_text(conllu(*rows), encoding="utf-8")
    return read_corpus(path)


def test_words_stand_as_the_treebank_writes_them(tmp_path):
    corpus = read(
        tmp_path,
        "1 I",
        "2-3 don't SpaceAfter=No",
        "2 do",
        "3 n't",
        "4 , X=1|SpaceAfter=No|Y=2",
        "5 Sapir SpaceAfter=No",
        "6 's",
        "",
        "1 vue",
        "2-3 du",
        "2 de",
        "3 le",
        "4 port SpaceAfter=No",
    )
    assert list(corpus.sentences()) == [("I", "do", "n't", ",", "Sapir", "'s"), ("vue", "de", "le", "port")]
    assert list(corpus.texts()) == ["I don't,Sapir's", "vue du port"]
    assert [tuple(form) for form in corpus.forms()[1]] == [
        ("vue", True),
        ("du", False),
        ("", True),
        ("port", True),
    ]


def test_a_form_in_another_case_is_split_among_its_words(tmp_path):
    corpus = read(tmp_path, "1-2 DON'T", "1 do", "2 n't", "3 go")
    assert [tuple(form) for form in corpus.forms()[0]] == [("DO", False), ("N'T", True), ("go", True)]


def test_words_of_a_token_have_no_space_between_them_whatever_they_say(tmp_path):
    corpus = read(tmp_path, "1-3 dámelo", "1 da", "2 me", "3 lo", "4 ya")
    assert list(corpus.texts()) == ["dámelo ya"]


def test_a_treebank_that_says_nothing_has_spaces_everywhere(tmp_path):
    assert read(tmp_path, "1 a", "1.1 b", "2 dog SpaceAfter=No").running is None


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (("1 a", "3-4 bc", "2 b", "3 c"), 2),
        (("1-2 ab", "1-2 ab", "1 a", "2 b"), 2),
        (("2-1 ab", "1 a"), 1),
        (("1 a", "2-3 bc", "2 b"), 2),
    ],
)
def test_ranges_that_hold_no_words_are_refused(tmp_path, rows, line):
    with pytest.raises(CorpusError, match=f"text.conllu:{line}.*range"):
        read(tmp_path, *rows)
