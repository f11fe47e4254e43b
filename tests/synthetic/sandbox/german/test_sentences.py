"""German: case endings, verb second, verb last, and known conjugations."""

from __future__ import annotations

from itertools import pairwise

import pytest

from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.german.sentences import say_german
from onegrain.synthetic.sandbox.german.verbs import conjugate
from onegrain.synthetic.sandbox.grammar import draw_sentence
from onegrain.synthetic.sandbox.lexicon.nouns import NOUNS
from onegrain.synthetic.sandbox.lexicon.verbs import VERBS
from onegrain.synthetic.sandbox.tokens import Token

ARTICLES = {
    "Nom": {"Masc": "der", "Fem": "die", "Neut": "das"},
    "Acc": {"Masc": "den", "Fem": "die", "Neut": "das"},
    "Dat": {"Masc": "dem", "Fem": "der", "Neut": "dem"},
}
SUBORDINATORS = {"dass", "weil", "wenn", "als", "während", "bevor", "nachdem"}


@pytest.fixture(scope="module")
def sentences() -> list[list[Token]]:
    dice = Dice(41)
    return [say_german(draw_sentence(dice)) for _ in range(4000)]


def features_of(token: Token) -> dict[str, str]:
    return dict(part.split("=") for part in token.feats.split("|")) if token.feats != "_" else {}


def test_articles_adjectives_and_nouns_agree_in_case(sentences: list[list[Token]]) -> None:
    checked = 0
    for tokens in sentences:
        for index, token in enumerate(tokens):
            if token.upos != "DET":
                continue
            noun = next(later for later in tokens[index:] if later.upos == "NOUN")
            between = tokens[index + 1 : tokens.index(noun, index)]
            features = features_of(token)
            for agreeing in (noun, *(word for word in between if word.upos == "ADJ")):
                for key in ("Case", "Gender", "Number"):
                    assert features_of(agreeing)[key] == features[key], tokens
            if features.get("Definite") == "Def" and features["Number"] == "Sing":
                assert token.form == ARTICLES[features["Case"]][features["Gender"]]
                weak = features["Case"] == "Nom" or (features["Case"] == "Acc" and features["Gender"] != "Masc")
                for word in between:
                    assert word.upos != "ADJ" or word.form.endswith("e" if weak else "en")
            checked += 1
    assert checked > 3000


def test_weak_nouns_and_dative_plurals(sentences: list[list[Token]]) -> None:
    weak = {noun.german[0] for nouns in NOUNS.values() for noun in nouns if noun.weak}
    for tokens in sentences:
        for token in tokens:
            features = features_of(token)
            if token.upos == "NOUN" and features["Number"] == "Sing" and features["Case"] != "Nom":
                assert token.form not in weak, tokens
            if token.upos == "NOUN" and features["Number"] == "Plur" and features["Case"] == "Dat":
                assert token.form.endswith(("n", "s")), tokens


def test_adjectives_after_ein_words_jeder_and_numerals(sentences: list[list[Token]]) -> None:
    ein = {"Masc": "er", "Fem": "e", "Neut": "es"}
    checked = 0
    for tokens in sentences:
        for token, following in pairwise(tokens):
            features = features_of(following)
            if following.upos != "ADJ" or "Case" not in features or token.upos not in ("DET", "NUM"):
                continue
            if token.upos == "NUM" or token.form.startswith("einig"):
                expected = "en" if features["Case"] == "Dat" else "e"
            elif (
                features["Number"] == "Plur"
                or features["Case"] == "Dat"
                or (features["Case"] == "Acc" and features["Gender"] == "Masc")
            ):
                expected = "en"
            elif token.form.startswith(("ein", "kein", "mein", "dein", "sein", "ihr", "unser")):
                expected = ein[features["Gender"]]
            else:
                expected = "e"
            assert following.form.endswith(expected), tokens
            checked += 1
    assert checked > 500


def test_the_verb_stands_last_after_a_subordinator(sentences: list[list[Token]]) -> None:
    checked = 0
    for tokens in sentences:
        for index, token in enumerate(tokens):
            if token.upos != "SCONJ" or token.form not in SUBORDINATORS:
                continue
            end = next(later for later in range(index, len(tokens)) if tokens[later].upos == "PUNCT")
            assert features_of(tokens[end - 1]).get("VerbForm") == "Fin", tokens
            assert sum(features_of(word).get("VerbForm") == "Fin" for word in tokens[index:end]) == 1, tokens
            checked += 1
    assert checked > 300


def test_a_yes_no_question_begins_with_its_finite_verb(sentences: list[list[Token]]) -> None:
    questions = [tokens for tokens in sentences if tokens[-1].form == "?"]
    open_words = {"wer", "was", "wo", "wann", "warum"}
    for tokens in questions:
        verb = tokens[1] if tokens[0].form in open_words else tokens[0]
        assert features_of(verb).get("VerbForm") == "Fin", tokens


def test_no_comma_before_the_end_and_no_open_contraction(sentences: list[list[Token]]) -> None:
    for tokens in sentences:
        for token, following in pairwise(tokens):
            assert token.form != "," or following.upos != "PUNCT"
            assert (token.form, following.form, following.upos) not in {
                ("in", "dem", "DET"),
                ("zu", "der", "DET"),
            }


@pytest.mark.parametrize(
    ("english", "present", "preterite"),
    [
        ("see", "sehe siehst sieht sehen sehen", "sah sahst sah sahen sahen"),
        ("eat", "esse isst isst essen essen", "aß aßest aß aßen aßen"),
        (
            "work",
            "arbeite arbeitest arbeitet arbeiten arbeiten",
            "arbeitete arbeitetest arbeitete arbeiteten arbeiteten",
        ),
        (
            "smile",
            "lächle lächelst lächelt lächeln lächeln",
            "lächelte lächeltest lächelte lächelten lächelten",
        ),
        (
            "tremble",
            "zittere zitterst zittert zittern zittern",
            "zitterte zittertest zitterte zitterten zitterten",
        ),
        ("like", "mag magst mag mögen mögen", "mochte mochtest mochte mochten mochten"),
        ("find", "finde findest findet finden finden", "fand fandest fand fanden fanden"),
        ("dance", "tanze tanzt tanzt tanzen tanzen", "tanzte tanztest tanzte tanzten tanzten"),
        (
            "draw",
            "zeichne zeichnest zeichnet zeichnen zeichnen",
            "zeichnete zeichnetest zeichnete zeichneten zeichneten",
        ),
    ],
)
def test_conjugation(english: str, present: str, preterite: str) -> None:
    verb = next(verb for verbs in VERBS.values() for verb in verbs if verb.english[0] == english)
    persons = [(1, False), (2, False), (3, False), (1, True), (3, True)]
    assert [conjugate(verb.german, "pres", *person) for person in persons] == present.split()
    assert [conjugate(verb.german, "past", *person) for person in persons] == preterite.split()
