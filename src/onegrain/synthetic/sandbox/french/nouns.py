"""French noun phrases of the sandbox language: determiners, and adjectives before and after the noun."""

from __future__ import annotations

from collections.abc import Callable

from onegrain.synthetic.sandbox.french.sounds import starts_with_vowel
from onegrain.synthetic.sandbox.lexicon.modifiers import Adjective
from onegrain.synthetic.sandbox.meaning import Entity
from onegrain.synthetic.sandbox.tokens import Token, feats

__all__ = ["say_entity", "strong_pronoun"]

_POSSESSIVES = {
    "my": ("mon", "ma", "mes"), "your": ("ton", "ta", "tes"), "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"), "our": ("notre", "notre", "nos"), "their": ("leur", "leur", "leurs"),
}  # fmt: skip
_DETERMINERS = {
    "the": (("le", "la", "les"), "Def", "Art"), "owner": (("le", "la", "les"), "Def", "Art"),
    "a": (("un", "une", ""), "Ind", "Art"), "this": (("ce", "cette", "ces"), "", "Dem"),
    "that": (("ce", "cette", "ces"), "", "Dem"), "every": (("chaque", "chaque", ""), "", "Tot"),
    "some": (("", "", "quelques"), "", "Ind"),
}  # fmt: skip
_STRONG = {(1, False): "moi", (2, False): "toi", (1, True): "nous", (3, True): "eux"}
_OF = Token("de", "ADP")


def say_entity(
    entity: Entity,
    relative: Callable[[Entity], list[Token]],
    *,
    predicate: Adjective | None = None,
    very: bool = False,
    denied: bool = False,
) -> list[Token]:
    """Return a noun phrase, name, pair or strong pronoun or, with ``predicate``, only that adjective.

    Args:
        entity: who or what the phrase names.
        relative: returns the tokens of the entity's relative clause, or none.
        predicate: an adjective to return in agreement with the entity, instead of the phrase.
        very: put "très" before the predicate.
        denied: use "de" instead of "un" and of the partitive article.
    """
    if predicate is not None:
        return [*_very(very), _adjective(predicate, entity, "")]
    if entity.pair:
        first, second = entity.pair
        return [*say_entity(first, relative), Token("et", "CCONJ"), *say_entity(second, relative)]
    if entity.name:
        return [Token(entity.name.form, "PROPN", _agreement(entity))]
    if entity.noun is None:
        return [strong_pronoun(entity)]
    tokens = _determiner(entity, denied) + _noun_with_adjectives(entity)
    if entity.owner:
        gender = {"m": "Masc", "f": "Fem"}[entity.owner.gender]
        tokens += [_OF, Token(entity.owner.form, "PROPN", feats(Gender=gender, Number="Sing"))]
    return tokens + relative(entity)


def strong_pronoun(entity: Entity) -> Token:
    """Return the personal pronoun in the form used after a preposition: moi, lui, eux."""
    key = (entity.person, entity.plural)
    form = ("elle" if entity.gender == "f" else "lui") if key == (3, False) else _STRONG[key]
    gender = {"m": "Masc", "f": "Fem"}[entity.gender] if entity.person == 3 else ""
    number = "Plur" if entity.plural else "Sing"
    return Token(form, "PRON", feats(Gender=gender, Number=number, Person=str(entity.person), PronType="Prs"))


def _agreement(entity: Entity) -> str:
    return feats(Gender="Fem" if entity.gender == "f" else "Masc", Number="Plur" if entity.plural else "Sing")


def _very(very: bool) -> list[Token]:
    return [Token("très", "ADV")] if very else []


def _noun_with_adjectives(entity: Entity) -> list[Token]:
    """Return the noun with its adjectives, each before or after it as the adjective requires."""
    assert entity.noun is not None
    tokens = [Token(entity.noun.french[entity.plural], "NOUN", _agreement(entity))]
    for adjective in reversed(entity.adjectives):
        if adjective.before:
            tokens = [*_very(entity.very), _adjective(adjective, entity, tokens[0].form), *tokens]
        else:
            tokens = [*tokens, *_very(entity.very), _adjective(adjective, entity, "")]
    return tokens


def _adjective(adjective: Adjective, entity: Entity, following: str) -> Token:
    masculine, feminine, before_vowel = adjective.french
    form = feminine if entity.gender == "f" else masculine
    if entity.plural and not adjective.french_invariable:
        form = form + "x" if form.endswith("eau") else form if form.endswith(("s", "x")) else form + "s"
    elif entity.gender == "m" and not entity.plural and following and starts_with_vowel(following):
        form = before_vowel
    return Token(form, "ADJ", _agreement(entity))


def _determiner(entity: Entity, denied: bool) -> list[Token]:
    kind = entity.determiner
    gender, number = ("Fem" if entity.gender == "f" else "Masc"), ("Plur" if entity.plural else "Sing")
    form_index = 2 if entity.plural else int(entity.gender == "f")
    if kind == "number" and entity.numeral:
        return [Token(entity.numeral.french, "NUM", "NumType=Card")]
    if denied and kind in ("a", ""):
        return [_OF]
    if kind == "":
        article = Token(
            ("le", "la")[form_index], "DET", feats(Definite="Def", Gender=gender, Number=number, PronType="Art")
        )
        return [_OF, article]
    if kind in _POSSESSIVES:
        features = feats(Gender=gender, Number=number, Poss="Yes", PronType="Prs")
        return [Token(_POSSESSIVES[kind][form_index], "DET", features)]
    forms, definite, pronoun_type = _DETERMINERS[kind]
    features = feats(Definite=definite, Gender=gender, Number=number, PronType=pronoun_type)
    return [Token(forms[form_index], "DET", features)]
