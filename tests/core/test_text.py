"""Test that characters that act on a terminal or break a chart are escaped, and no others."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from onegrain.core.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x07", r"\x07"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\tb\nc\rd", r"a\tb\nc\rd"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eabc", r"\u202eabc"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud83d", r"\ud83d"),
        ("\uffff", r"\uffff"),
        ("[laughter] :dog: [/INST] <b>&amp; \\n", "[laughter] :dog: [/INST] <b>&amp; \\n"),
        ("naïve 犬 🐕 👩\u200d🚒 خانه\u200cها", "naïve 犬 🐕 👩\u200d🚒 خانه\u200cها"),
    ],
)
def test_only_what_acts_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_no_control_character_or_half_pair_is_left() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    left = visible(every)
    assert {unicodedata.category(character) for character in left} & {"Cc", "Cs", "Zl", "Zp"} == set()
    assert all(character in left for character in every if unicodedata.category(character)[0] in "LMNPS")
