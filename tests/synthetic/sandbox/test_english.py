"""English: subjects and verbs agree, by gold features and by an independent list of forms."""

from __future__ import annotations

from itertools import pairwise

from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.english import say_english
from onegrain.synthetic.sandbox.grammar import draw_sentence
from onegrain.synthetic.sandbox.lexicon.nouns import english_plural
from onegrain.synthetic.sandbox.lexicon.verbs import VERBS
from onegrain.synthetic.sandbox.tokens import Token

SUBJECTS = {"i": ("1", "Sing"), "you": ("2", "Sing"), "he": ("3", "Sing"), "she": ("3", "Sing"),
            "we": ("1", "Plur"), "they": ("3", "Plur")}  # fmt: skip
BE = {("1", "Sing"): ("am", "was"), ("2", "Sing"): ("are", "were"), ("3", "Sing"): ("is", "was"),
      ("1", "Plur"): ("are", "were"), ("3", "Plur"): ("are", "were")}  # fmt: skip


def said(count: int) -> list[list[Token]]:
    dice = Dice(21)
    return [say_english(draw_sentence(dice)) for _ in range(count)]


def marks(token: Token) -> dict[str, str]:
    return dict(part.split("=") for part in token.feats.split("|")) if token.feats != "_" else {}


def test_pronoun_subjects_agree_with_their_verbs() -> None:
    checked = 0
    for tokens in said(4000):
        for first, then in pairwise(tokens):
            key = SUBJECTS.get(first.form)
            if key is None or marks(first).get("Case") != "Nom" or "Person" not in marks(then):
                continue
            if marks(then).get("VerbForm") == "Fin":
                assert (marks(then)["Person"], marks(then)["Number"]) == key, (first, then)
                checked += 1
    assert checked > 500


def test_be_and_the_third_person_s() -> None:
    thirds = {verb.english[1] for verbs in VERBS.values() for verb in verbs} | {"wants", "has", "does"}
    for tokens in said(3000):
        for token in tokens:
            found = marks(token)
            if found.get("VerbForm") != "Fin" or "Person" not in found:
                continue
            key = (found["Person"], found["Number"])
            if token.form in ("am", "are", "is", "was", "were"):
                assert token.form == BE[key][found["Tense"] == "Past"]
            elif found["Tense"] == "Pres":
                assert (token.form in thirds) == (key == ("3", "Sing")) == (token.xpos == "VBZ"), token


def test_noun_subjects_agree_when_the_verb_follows() -> None:
    checked = 0
    for tokens in said(4000):
        first = next((at for at, token in enumerate(tokens) if token.upos in ("NOUN", "PROPN")), None)
        if first is None or tokens[0].upos not in ("DET", "NUM") or first + 1 >= len(tokens):
            continue
        then = marks(tokens[first + 1])
        if then.get("VerbForm") == "Fin" and "Number" in then:
            assert then["Number"] == marks(tokens[first])["Number"], tokens
            checked += 1
    assert checked > 800


def test_numbers_and_demonstratives_stand_with_their_number() -> None:
    for tokens in said(3000):
        for first, then in pairwise(tokens):
            if first.upos == "NUM" and then.upos == "NOUN":
                assert then.xpos == "NNS"
            if first.form in ("these", "those") and then.upos == "NOUN":
                assert then.xpos == "NNS"
            if first.form in ("a", "an") and first.upos == "DET":
                assert (first.form == "an") == (then.form[0] in "aeiou")


def test_word_forms() -> None:
    forms = {verb.english[0]: verb.english for verbs in VERBS.values() for verb in verbs}
    assert forms["lie"] == ("lie", "lies", "lied", "lied", "lying")
    assert forms["carry"] == ("carry", "carries", "carried", "carried", "carrying")
    assert forms["run"] == ("run", "runs", "ran", "run", "running")
    assert forms["buy"][1] == "buys"
    assert forms["watch"][1] == "watches"
    assert forms["plan"][2:] == ("planned", "planned", "planning")
    assert english_plural("story") == "stories"
    assert english_plural("key") == "keys"
