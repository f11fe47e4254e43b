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


def english_sentences(count: int) -> list[list[Token]]:
    dice = Dice(21)
    return [say_english(draw_sentence(dice)) for _ in range(count)]


def features_of(token: Token) -> dict[str, str]:
    return dict(part.split("=") for part in token.feats.split("|")) if token.feats != "_" else {}


def test_pronoun_subjects_agree_with_their_verbs() -> None:
    checked = 0
    for tokens in english_sentences(4000):
        for token, following in pairwise(tokens):
            key = SUBJECTS.get(token.form)
            if key is None or features_of(token).get("Case") != "Nom" or "Person" not in features_of(following):
                continue
            if features_of(following).get("VerbForm") == "Fin":
                assert (features_of(following)["Person"], features_of(following)["Number"]) == key, (
                    token,
                    following,
                )
                checked += 1
    assert checked > 500


def test_be_and_the_third_person_s() -> None:
    thirds = {verb.english[1] for verbs in VERBS.values() for verb in verbs} | {"wants", "has", "does"}
    for tokens in english_sentences(3000):
        for token in tokens:
            features = features_of(token)
            if features.get("VerbForm") != "Fin" or "Person" not in features:
                continue
            key = (features["Person"], features["Number"])
            if token.form in ("am", "are", "is", "was", "were"):
                assert token.form == BE[key][features["Tense"] == "Past"]
            elif features["Tense"] == "Pres":
                assert (token.form in thirds) == (key == ("3", "Sing")) == (token.xpos == "VBZ"), token


def test_noun_subjects_agree_when_the_verb_follows() -> None:
    checked = 0
    for tokens in english_sentences(4000):
        noun_index = next(
            (index for index, token in enumerate(tokens) if token.upos in ("NOUN", "PROPN")), None
        )
        if noun_index is None or tokens[0].upos not in ("DET", "NUM") or noun_index + 1 >= len(tokens):
            continue
        next_features = features_of(tokens[noun_index + 1])
        if next_features.get("VerbForm") == "Fin" and "Number" in next_features:
            assert next_features["Number"] == features_of(tokens[noun_index])["Number"], tokens
            checked += 1
    assert checked > 800


def test_numbers_and_demonstratives_stand_with_their_number() -> None:
    for tokens in english_sentences(3000):
        for token, following in pairwise(tokens):
            if token.upos == "NUM" and following.upos == "NOUN":
                assert following.xpos == "NNS"
            if token.form in ("these", "those") and following.upos == "NOUN":
                assert following.xpos == "NNS"
            if token.form in ("a", "an") and token.upos == "DET":
                assert (token.form == "an") == (following.form[0] in "aeiou")


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
