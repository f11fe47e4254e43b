"""Words and labels as lists, arrays and tables hold them become text by one rule; other words are refused."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from onegrain.core.scalars import label_text, word_text
from onegrain.errors import CorpusError, LabelError
from onegrain.records.corpus import Corpus, LabelLayer


class Tag(enum.Enum):
    NOUN = 0


class Named(enum.StrEnum):
    NOUN = "noun"


class Numbered(enum.IntEnum):
    NOUN = 7


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("NN", "NN"),
        (np.str_("NN"), "NN"),
        (0, "0"),
        (np.int8(3), "3"),
        (True, "True"),
        (np.bool_(False), "False"),
        (1.0, "1"),
        (np.float32(2), "2"),
        (0.1, "0.1"),
        (np.float32(0.1), "0.1"),
        (-0.0, "0"),
        (float("inf"), "inf"),
        (Decimal("1.50"), "1.50"),
        (Fraction(1, 3), "1/3"),
        (Tag.NOUN, "NOUN"),
        (Named.NOUN, "noun"),
        (Numbered.NOUN, "NOUN"),
        (pd.Timestamp("2024-02-03"), "2024-02-03 00:00:00"),
        (None, None),
        (float("nan"), None),
        (np.float16("nan"), None),
        (Decimal("nan"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (np.datetime64("NaT"), None),
        ("", None),
    ],
)
def test_a_label_of_any_scalar_type_is_text_by_one_rule(value: object, text: str | None) -> None:
    assert label_text(value) == text
    assert LabelLayer.from_labels("a", [value]).labels() == [text]


@pytest.mark.parametrize(
    "value",
    [["NN"], {"a": 1}, b"NN", object(), ("NN",), np.array(["NN"]), "\ud800", 10**5000],
    ids=range(8),
)
def test_what_is_no_scalar_is_no_label(value: object) -> None:
    with pytest.raises(LabelError, match=r"layer 'pos', word 1 \(from 0\)"):
        LabelLayer.from_labels("pos", ["x", value])


def test_labels_of_several_types_do_not_meet() -> None:
    layer = LabelLayer.from_labels("a", [1, True, "1", 1.0, None, 2])
    assert layer.labels() == ["1", "True", "1", "1", None, "2"]
    assert layer.vocabulary == ("1", "2", "True")
    with pytest.raises(LabelError, match="must be text"):
        LabelLayer("a", np.zeros(1, dtype=np.int32), (0,))  # type: ignore[arg-type]


def test_arrays_of_words_and_labels() -> None:
    corpus = Corpus.from_sentences(np.array([["ab", "c"]]), {"n": np.array([[0, 1]])})  # type: ignore[arg-type]
    assert corpus.words == ("ab", "c")
    assert all(type(word) is str for word in corpus.words)
    assert corpus.layer("n").labels() == ["0", "1"]
    column = pd.Series([["a", "b"], ["c"]])
    assert Corpus.from_sentences(column).n_words == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentences", "says"),
    [
        (["the dog barks"], r"sentence 0 \(from 0\) is one string, 'the dog barks'"),
        ("the dog", "list of lists of words, got str"),
        ([["a"], {"b"}], r"sentence 1 \(from 0\) must be a list of words, got set"),
        ([["a"], None], r"sentence 1 \(from 0\) must be a list of words, got NoneType"),
        ([["a", "b"], ["c", float("nan")]], r"sentence 1, word 1 \(both from 0\): a missing value"),
        ([["a", None]], r"sentence 0, word 1 .*: a missing value"),
        ([[2020]], r"sentence 0, word 0 .*: 2020 \(int\), not a word"),
        ([["a", ["b"]]], r"word 1 .*: \['b'\] \(list\), not a word"),
        ([["\udc80"]], r"word 0 .*half of a surrogate pair"),
    ],
)
def test_what_is_no_word_is_refused_with_its_place(sentences: object, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        Corpus.from_sentences(sentences)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([["x"]], "sentence 0 .* has 2 words and 1 labels"),
        (["NV"], r"sentence 0 \(from 0\): expected a list of labels"),
        ([], "one list of labels for every sentence"),
        ("NV", "one list of labels for every sentence"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: object, says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        Corpus.from_sentences([["a", "b"]], {"pos": labels})  # type: ignore[dict-item]


def test_a_word_is_text() -> None:
    assert type(word_text(np.str_("a"))) is str
    with pytest.raises(ValueError, match="not a word"):
        word_text(1)


def test_the_summary_says_what_was_read() -> None:
    sentences = [["the", "[red]dog", "barks"], ["rain"]]
    corpus = Corpus.from_sentences(sentences, {"n": [[0, 1, None], [1]]}, source="t.txt")
    assert corpus.describe().splitlines() == [
        "t.txt: 2 sentences, 4 words",
        "  n: 2 labels (0, 1); 1 words without",
        "  first sentence, 3 words: the [red]dog barks",
    ]
    many = Corpus.from_sentences([["w"] * 30], {"n": [list(range(30))]})
    assert "30 labels (0, 1, 10, 11, 12, 13, 14, 15, ...)" in many.describe()
    assert many.describe().endswith("30 words: " + "w " * 20 + "...")
