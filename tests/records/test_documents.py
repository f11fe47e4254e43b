"""The documents of a corpus: where its source divides it, and their running text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onegrain.corpora import read_corpus
from onegrain.corpora.lines import read_text
from onegrain.corpora.text import TextFile
from onegrain.errors import CorpusError
from onegrain.records.corpus import Corpus
from onegrain.records.documents import document_corpus, documents_of
from onegrain.records.identity import corpus_digest
from onegrain.records.running_text import Form


def row(number: int, form: str) -> str:
    return "\t".join([str(number), form, "_", "NOUN", "_", "_", "0", "root", "_", "_"])


CONLLU = f"# newdoc id = a\n# sent_id = 1\n{row(1, 'rain')}\n\n{row(1, 'dog')}\n\n# newdoc\n{row(1, 'sun')}\n\n"
COLUMNS = "-DOCSTART- -X-\n\nrain NN\n\ndog NN\n\n-DOCSTART- -X-\n\nsun NN\n"
PLAIN = "the rain\na dog\n\n\nthe sun\n"


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [("a.conllu", CONLLU, "conllu"), ("a.conll", COLUMNS, "columns"), ("a.txt", PLAIN, "plain")],
)
def test_sources_divide_corpora(tmp_path: Path, name: str, text: str, format: str) -> None:
    (tmp_path / name).write_text(text)
    corpus = read_corpus(tmp_path / name, format=format)
    assert corpus.documents.tolist() == [0, 2, 3]
    assert corpus.head(2).documents.tolist() == [0, 2]
    assert corpus.select([2, 0, 1]).documents.tolist() == [0, 1, 3]
    assert read_corpus(tmp_path / name, format=format, limit=2).documents.tolist() == [0, 2]
    assert document_corpus(corpus).n_sentences == 2
    assert document_corpus(corpus).words == corpus.words


def test_a_corpus_is_one_document_otherwise(tmp_path: Path) -> None:
    corpus = Corpus.from_sentences([["a"], ["b"]])
    assert corpus.document_of is None
    assert corpus.documents.tolist() == [0, 2]
    assert corpus.head(0).documents.tolist() == [0]
    assert documents_of(corpus.head(0)) == []
    (tmp_path / "a.txt").write_text("\n\na b\nc\n")
    assert read_corpus(tmp_path / "a.txt", format="plain").document_of is None


def test_the_division_is_part_of_the_digest_and_has_a_number_for_each_sentence() -> None:
    whole, parts = (Corpus.from_sentences([["a"], ["b"]], document_of=of) for of in (None, [0, 1]))
    assert whole.content_hash == parts.content_hash
    assert corpus_digest(whole) == corpus_digest(parts)
    assert corpus_digest(whole, documents=True) != corpus_digest(parts, documents=True)
    with pytest.raises(CorpusError, match="1 numbers of documents for 2 sentences"):
        Corpus.from_sentences([["a"], ["b"]], document_of=[0])


def test_words_keep_their_places_in_the_text() -> None:
    first = [Form("it", False), Form("'s", True), Form("du"), Form(""), Form("sun", False), Form(".")]
    forms = [first, [Form("a")]]
    words = [["it", "'s", "de", "le", "sun", "."], ["a"]]
    (document,) = documents_of(Corpus.from_sentences(words, forms=forms), "\n\n")
    assert document.text == "it's du  sun.\n\na"
    spelled = [document.text[start:stop] for start, stop in zip(document.starts, document.ends, strict=True)]
    assert spelled == ["it", "'s", "du", "", "sun", ".", "a"]
    assert [document.word_at(place, place + 1) for place in (0, 2, 4, 5, 8, 12, 13, 15)] == [
        0, 1, -1, 2, -1, 5, -1, 6,
    ]  # fmt: skip
    assert document.word_at(4, 7) == 2
    assert document.word_at(13, 16) == 6


@given(st.text(alphabet=" \t\nab.", max_size=60))
def test_running_text_is_kept_to_the_letter(text: str) -> None:
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        return
    corpus = read_text(TextFile("memory", lines))
    (document,) = documents_of(corpus)
    assert document.text == text.rstrip()
    assert list(corpus.words) == text.split()
    assert np.array_equal(corpus.documents, [0, corpus.n_sentences])
