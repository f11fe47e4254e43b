"""Words that no space parts: which subword belongs to which word."""

from __future__ import annotations

import pytest

from onegrain.models.runs import Run, assign, runs_of, spell
from onegrain.records.running_text import Form


def test_a_sentence_is_split_at_its_spaces():
    forms = [Form("I"), Form("do", False), Form("n't"), Form("du", False), Form(""), Form(".", False)]
    assert runs_of(forms) == [("I",), ("do", "n't"), ("du", ""), (".",)]
    assert runs_of([]) == []


@pytest.mark.parametrize(
    ("texts", "spans", "word_of", "shares"),
    [
        (("do", "n't"), [(0, 3), (3, 5)], [0, 1], {}),  # a subword belongs where it begins
        (("can", "not"), [(0, 6)], [0], {1: (0, 1)}),  # a word that is swallowed shares
        (("can", "not"), [(0, 2), (2, 6)], [0, 0], {1: (0, 1)}),  # only what reaches into it
        (("du", ""), [(0, 1), (1, 2)], [0, 0], {1: (0, 2)}),  # a form that is not its words'
        (("(", "du", "", ")"), [(0, 2), (2, 3), (3, 4)], [0, 1, 3], {2: (1, 1)}),
        (("a", "", "b"), [(0, 1), (1, 2)], [0, 2], {1: (0, 1)}),
        (("", "a"), [(0, 1)], [1], {}),  # nothing stands before it
        (("a", "\u200b", "b"), [(0, 1), (2, 3)], [0, 2], {}),  # a word that the tokenizer drops has none
        (("é", "b"), [(0, 1), (0, 1), (1, 2)], [0, 0, 1], {}),  # two subwords of one character
        (("a", "b"), [(0, 0), (0, 1), (1, 2)], [0, 0, 1], {}),  # a space of its own
    ],
)
def test_subwords_are_assigned_by_where_they_begin(texts, spans, word_of, shares):
    ids = list(range(len(spans)))
    assert assign(texts, ids, spans) == Run(ids, word_of, shares)


@pytest.mark.parametrize(
    ("text", "pieces", "spans"),
    [
        (" don't", ["▁don", "'", "t"], [(0, 4), (4, 5), (5, 6)]),
        ("don't", ["▁", "don", "'t"], [(0, 0), (0, 3), (3, 5)]),
        ("x…y", ["▁x", "...", "y"], [(0, 1), (1, 2), (2, 3)]),
        ("aßb", ["▁a", None, "b"], [(0, 1), (1, 2), (2, 3)]),
        ("DOG", ["do", "##g"], [(0, 2), (2, 3)]),
        ("dog", ["cat"], None),
    ],
)
def test_pieces_are_found_in_the_text_that_they_spell(text, pieces, spans):
    assert spell(text, pieces) == spans
