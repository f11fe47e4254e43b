from __future__ import annotations

import pytest

from onegrain.analyses.questions.wordclass import OPEN_CLASS, TAG_SETS, tag_set, word_classes

UPOS = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT")


def test_every_upos_tag_is_classed() -> None:
    tags = (*UPOS, "SCONJ", "SYM", "VERB", "X")
    assert None not in word_classes(tags).values()
    assert set(OPEN_CLASS["upos"]) == {"ADJ", "ADV", "INTJ", "NOUN", "PROPN", "VERB"}


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["NN", "VBD", "DT", "IN"], "penn"),
        (["nn", "vbd", "at", "bedz", "ppss"], "brown"),
        (["B-NP", "I-NP", "O"], None),
        (["POS", "CON", "ROL", "EXS", "NOW"], None),
        ([], None),
    ],
)
def test_tag_set_is_recognised_from_all_labels(labels: list[str], expected: str | None) -> None:
    assert tag_set(labels) == expected


def test_brown_marks_and_contractions() -> None:
    classes = word_classes(["NN-TL", "VBD", "FW-IN", "PPSS+BER", "AT-HL", "*", "MD*", "."])
    assert list(classes.values()) == ["open", "open", "open", "closed", "closed", "closed", "closed", "other"]


def test_a_label_outside_the_tag_set_has_no_class() -> None:
    assert word_classes(["NOUN", "VERB", "DET", "ODD"])["ODD"] is None
    assert word_classes(["happy", "sad"]) == {"happy": None, "sad": None}


def test_no_tag_has_two_classes() -> None:
    assert all(set(table.values()) == {"open", "closed", "other"} for table in TAG_SETS.values())
