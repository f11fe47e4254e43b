"""French: determiners and adjectives agree with their noun, elision is complete, conjugations are right."""

from __future__ import annotations

from itertools import pairwise

import pytest

from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.french.sentences import say_french
from onegrain.synthetic.sandbox.french.verbs import conjugate, participle
from onegrain.synthetic.sandbox.grammar import draw_sentence
from onegrain.synthetic.sandbox.lexicon.modifiers import WEEKDAYS
from onegrain.synthetic.sandbox.tokens import Token

ELIDING = {"le", "la", "de", "ne", "que", "je", "me", "te", "ma", "ta", "sa", "ce"}
DAYS = {"heures", *(day.french for day in WEEKDAYS)}


@pytest.fixture(scope="module")
def sentences() -> list[list[Token]]:
    dice = Dice(31)
    return [say_french(draw_sentence(dice)) for _ in range(4000)]


def features_of(token: Token) -> dict[str, str]:
    return dict(part.split("=") for part in token.feats.split("|")) if token.feats != "_" else {}


def agreement(token: Token) -> tuple[str | None, str | None]:
    return features_of(token).get("Gender"), features_of(token).get("Number")


def test_determiner_adjective_and_noun_agree(sentences: list[list[Token]]) -> None:
    determined = described = 0
    for tokens in sentences:
        for noun_index, noun in enumerate(tokens):
            if noun.upos != "NOUN" or noun.form in DAYS:
                continue
            index = noun_index - 1
            while tokens[index].upos == "ADJ" or tokens[index].form == "très":
                described += tokens[index].upos == "ADJ"
                assert tokens[index].upos != "ADJ" or agreement(tokens[index]) == agreement(noun)
                index -= 1
            if tokens[index].upos == "DET":
                assert agreement(tokens[index]) == agreement(noun), tokens
                determined += 1
            if tokens[noun_index + 1].upos == "ADJ":
                assert agreement(tokens[noun_index + 1]) == agreement(noun), tokens
                described += 1
    assert determined > 2000
    assert described > 500


def test_forms_of_gender(sentences: list[list[Token]]) -> None:
    masculine = {"le", "un", "du", "au", "bon", "vieux", "nouveau", "beau", "léger", "blanc"}
    feminine = {"la", "une", "cette", "bonne", "vieille", "nouvelle", "belle", "légère", "blanche"}
    for tokens in sentences:
        for token in tokens:
            if token.upos in ("DET", "ADJ") and token.form in masculine | feminine:
                assert features_of(token)["Gender"] == ("Masc" if token.form in masculine else "Fem")


def test_elision_is_complete(sentences: list[list[Token]]) -> None:
    for tokens in sentences:
        for token, following in pairwise(tokens):
            if following.form[0] in "aeéèêiouœhy" and not following.form.startswith(
                ("haricot", "hibou", "huit", "onze")
            ):
                assert token.form not in ELIDING, tokens
            elif token.form.endswith("'"):
                assert following.form[0] in "aâeéèêiîoôuœhy" or token.form == "aujourd'hui", tokens
            assert (token.form, following.form) not in {("de", "le"), ("de", "les"), ("à", "le"), ("à", "les")}


def test_negation_has_both_halves(sentences: list[list[Token]]) -> None:
    for tokens in sentences:
        forms = [token.form for token in tokens]
        assert sum(form in ("ne", "n'") for form in forms) == sum(form in ("pas", "jamais") for form in forms)


def test_subject_pronouns_agree_with_the_next_finite_verb(sentences: list[list[Token]]) -> None:
    checked = 0
    for tokens in sentences:
        if tokens[0].form not in ("je", "j'", "tu", "il", "elle", "ils"):
            continue
        verb = next(token for token in tokens if features_of(token).get("VerbForm") == "Fin")
        subject, finite = features_of(tokens[0]), features_of(verb)
        assert (finite["Person"], finite["Number"]) == (subject["Person"], subject["Number"])
        checked += 1
    assert checked > 300


def test_participles_with_etre_agree_with_their_subject(sentences: list[list[Token]]) -> None:
    seen = set()
    for tokens in sentences:
        for subject, auxiliary, verb in zip(tokens, tokens[1:], tokens[2:], strict=False):
            moving = verb.form.startswith(("allé", "tombé", "venu", "mort")) and verb.upos == "VERB"
            leading = subject.upos in ("NOUN", "PROPN") and tokens.index(subject) <= 1
            if auxiliary.form in ("est", "sont") and moving and leading:
                assert agreement(verb) == agreement(subject), tokens
                seen.add(agreement(verb))
    assert ("Fem", "Sing") in seen


@pytest.mark.parametrize(
    ("infinitive", "tense", "forms"),
    [
        ("manger", "pres", "mange manges mange mangeons mangent"),
        ("manger", "imp", "mangeais mangeais mangeait mangions mangeaient"),
        ("acheter", "fut", "achèterai achèteras achètera achèterons achèteront"),
        ("espérer", "pres", "espère espères espère espérons espèrent"),
        ("nettoyer", "fut", "nettoierai nettoieras nettoiera nettoierons nettoieront"),
        ("perdre", "pres", "perds perds perd perdons perdent"),
        ("venir", "sub", "vienne viennes vienne venions viennent"),
        ("être", "imp", "étais étais était étions étaient"),
        ("pleurer", "pres", "pleure pleures pleure pleurons pleurent"),
        ("cuisiner", "fut", "cuisinerai cuisineras cuisinera cuisinerons cuisineront"),
        ("promettre", "fut", "promettrai promettras promettra promettrons promettront"),
    ],
)
def test_conjugation(infinitive: str, tense: str, forms: str) -> None:
    persons = [(1, False), (2, False), (3, False), (1, True), (3, True)]
    assert [conjugate(infinitive, tense, *person) for person in persons] == forms.split()


def test_participles() -> None:
    assert [
        participle("mourir", feminine, plural) for feminine in (False, True) for plural in (False, True)
    ] == [
        "mort",
        "morts",
        "morte",
        "mortes",
    ]
    assert participle("vendre", True, False) == "vendue"
