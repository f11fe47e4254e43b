"""German noun phrases of the sandbox language: case, gender and the three adjective declensions."""

from __future__ import annotations

from collections.abc import Callable

from onegrain.synthetic.sandbox.lexicon.modifiers import Adjective
from onegrain.synthetic.sandbox.meaning import Entity
from onegrain.synthetic.sandbox.tokens import Token, feats

__all__ = ["GENDERS", "adjective_token", "article", "personal_pronoun", "say_entity"]

GENDERS = {"m": "Masc", "f": "Fem", "n": "Neut"}
_COLUMN = {"m": 0, "f": 1, "n": 2, "p": 3}
_DEFINITE = {
    "Nom": ("der", "die", "das", "die"), "Acc": ("den", "die", "das", "die"),
    "Dat": ("dem", "der", "dem", "den"),
}  # fmt: skip
_DER_ENDINGS = {"Nom": ("er", "e", "es", "e"), "Acc": ("en", "e", "es", "e"), "Dat": ("em", "er", "em", "en")}
_EIN_ENDINGS = {"Nom": ("", "e", "", "e"), "Acc": ("en", "e", "", "e"), "Dat": ("em", "er", "em", "en")}
_STRONG = {"Nom": ("er", "e", "es", "e"), "Acc": ("en", "e", "es", "e"), "Dat": ("em", "er", "em", "en")}
_MIXED = {"Nom": ("er", "e", "es", "en"), "Acc": ("en", "e", "es", "en"), "Dat": ("en", "en", "en", "en")}
_WEAK = {"Nom": ("e", "e", "e", "en"), "Acc": ("en", "e", "e", "en"), "Dat": ("en", "en", "en", "en")}
_DER_WORDS = {
    "this": ("dies", "Dem"),
    "that": ("jen", "Dem"),
    "every": ("jed", "Tot"),
    "some": ("einig", "Ind"),
}
_POSSESSIVES = {"my": "mein", "your": "dein", "his": "sein", "her": "ihr", "our": "unser", "their": "ihr"}
_PERSONAL = {
    (1, False, ""): ("ich", "mich", "mir"), (2, False, ""): ("du", "dich", "dir"),
    (1, True, ""): ("wir", "uns", "uns"),
    (3, True, ""): ("sie", "sie", "ihnen"),
    (3, False, "m"): ("er", "ihn", "ihm"), (3, False, "f"): ("sie", "sie", "ihr"),
}  # fmt: skip
_CASES = ("Nom", "Acc", "Dat")


def say_entity(
    entity: Entity, case: str, relative: Callable[[Entity], list[Token]], *, denied: bool = False
) -> list[Token]:
    """Return a noun phrase, name, pair or pronoun in a case.

    Args:
        entity: who or what the phrase names.
        case: ``Nom``, ``Acc`` or ``Dat``.
        relative: returns the tokens of the entity's relative clause, or none.
        denied: use "kein" instead of "ein".
    """
    if entity.pair:
        first, second = entity.pair
        conjunction = Token("und", "CCONJ")
        return [*say_entity(first, case, relative), conjunction, *say_entity(second, case, relative)]
    if entity.name:
        return [
            Token(entity.name.form, "PROPN", feats(Case=case, Gender=GENDERS[entity.gender], Number="Sing"))
        ]
    if entity.noun is None:
        return [personal_pronoun(entity, case)]
    tokens = _determiner(entity, case, denied)
    declension = _declension(entity.determiner)
    very = [Token("sehr", "ADV")] if entity.very else []
    for adjective in entity.adjectives:
        ending = declension[case][_column(entity)]
        tokens += [*very, adjective_token(adjective, ending, _agreement(entity, case))]
    tokens.append(Token(_noun_form(entity, case), "NOUN", _agreement(entity, case)))
    return tokens + relative(entity)


def personal_pronoun(entity: Entity, case: str) -> Token:
    """Return the personal pronoun for the entity in a case: ``Nom``, ``Acc`` or ``Dat``."""
    gender = entity.gender if (entity.person, entity.plural) == (3, False) else ""
    form = _PERSONAL[entity.person, entity.plural, gender][_CASES.index(case)]
    number = "Plur" if entity.plural else "Sing"
    features = feats(
        Case=case, Gender=GENDERS.get(gender, ""), Number=number, Person=str(entity.person), PronType="Prs"
    )
    return Token(form, "PRON", features)


def adjective_token(adjective: Adjective, ending: str, features: str) -> Token:
    """Return an attributive adjective with its ending; ``features`` are its FEATS without the degree."""
    stem = adjective.german_stem.removesuffix("e") if ending else adjective.german
    return Token(stem + ending, "ADJ", "Degree=Pos" if features == "_" else _with_degree(features))


def article(entity: Entity, case: str, pronoun_type: str, upos: str) -> Token:
    """Return der, die or das: the article or, with the UPOS ``PRON``, the relative pronoun (also "denen")."""
    form = _DEFINITE[case][_column(entity)]
    if upos == "PRON" and entity.plural and case == "Dat":
        form = "denen"
    definite = "Def" if upos == "DET" else ""
    return Token(form, upos, _with_type(entity, case, definite, pronoun_type))


def _with_degree(features: str) -> str:
    case, rest = features.split("|", 1)
    return f"{case}|Degree=Pos|{rest}"


def _with_type(entity: Entity, case: str, definite: str, pronoun_type: str, poss: str = "") -> str:
    return feats(
        Case=case,
        Definite=definite,
        Gender=_gender(entity),
        Number="Plur" if entity.plural else "Sing",
        Poss=poss,
        PronType=pronoun_type,
    )


def _gender(entity: Entity) -> str:
    return GENDERS[entity.noun.german_gender] if entity.noun else GENDERS[entity.gender]


def _agreement(entity: Entity, case: str) -> str:
    return feats(Case=case, Gender=_gender(entity), Number="Plur" if entity.plural else "Sing")


def _column(entity: Entity) -> int:
    return 3 if entity.plural else _COLUMN[entity.noun.german_gender if entity.noun else entity.gender]


def _noun_form(entity: Entity, case: str) -> str:
    assert entity.noun is not None
    singular, plural = entity.noun.german
    if entity.plural:
        return plural + "n" if case == "Dat" and not plural.endswith(("n", "s")) else plural
    return plural if entity.noun.weak and case != "Nom" else singular


def _declension(determiner: str) -> dict[str, tuple[str, str, str, str]]:
    if determiner in ("the", "this", "that", "every"):
        return _WEAK
    return _MIXED if determiner == "a" or determiner in _POSSESSIVES else _STRONG


def _determiner(entity: Entity, case: str, denied: bool) -> list[Token]:
    kind, column = entity.determiner, _column(entity)
    if kind == "the":
        return [article(entity, case, "Art", "DET")]
    if kind == "a":
        stem, definite, pronoun_type = ("kein", "", "Neg") if denied else ("ein", "Ind", "Art")
        return [
            Token(stem + _EIN_ENDINGS[case][column], "DET", _with_type(entity, case, definite, pronoun_type))
        ]
    if kind in _POSSESSIVES:
        ending = _EIN_ENDINGS[case][column]
        return [Token(_POSSESSIVES[kind] + ending, "DET", _with_type(entity, case, "", "Prs", "Yes"))]
    if kind in _DER_WORDS:
        stem, pronoun_type = _DER_WORDS[kind]
        return [Token(stem + _DER_ENDINGS[case][column], "DET", _with_type(entity, case, "", pronoun_type))]
    if kind == "number" and entity.numeral:
        return [Token(entity.numeral.german, "NUM", "NumType=Card")]
    if kind == "owner" and entity.owner:
        name = entity.owner.form
        form = name + "'" if name.endswith(("s", "x", "z")) else name + "s"
        return [Token(form, "PROPN", feats(Case="Gen", Gender=GENDERS[entity.owner.gender], Number="Sing"))]
    return []
