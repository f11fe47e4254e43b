"""Draw the people, things, places and times of a sandbox sentence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.lexicon.modifiers import (
    ADJECTIVES,
    HOURS,
    MONTHS,
    NAMES,
    NUMERALS,
    PLACE_ADVERBS,
    TIME_ADVERBS,
    TOWNS,
    WEEKDAYS,
    Adjective,
)
from onegrain.synthetic.sandbox.lexicon.nouns import NOUNS, Noun
from onegrain.synthetic.sandbox.meaning import Entity, Place, Time

__all__ = [
    "adjective_for",
    "draw_company",
    "draw_noun",
    "draw_place",
    "draw_pronoun",
    "draw_subject",
    "draw_time",
]

_DETERMINERS = (
    ("the", 38.0), ("a", 20.0), ("possessive", 14.0), ("number", 8.0), ("some", 6.0), ("this", 4.0),
    ("that", 4.0), ("every", 3.0), ("owner", 3.0),
)  # fmt: skip
_PLAIN_DETERMINERS = (("the", 50.0), ("possessive", 25.0), ("this", 8.0), ("that", 8.0), ("a", 9.0))
_POSSESSIVES = (("his", 25.0), ("her", 25.0), ("my", 18.0), ("their", 14.0), ("our", 10.0), ("your", 8.0))
_PRONOUNS = (
    ("3s m", 24.0), ("3s f", 24.0), ("1s m", 18.0), ("3p m", 14.0), ("1p m", 12.0), ("2s m", 8.0),
)  # fmt: skip
_SUBJECTS = (("noun", 50.0), ("pronoun", 30.0), ("name", 17.0), ("pair", 3.0))
_TIMES = (
    ("adverb", 30.0), ("weekday", 22.0), ("month", 14.0), ("part", 10.0), ("hour", 9.0), ("every", 5.0),
    ("before", 5.0), ("after", 5.0),
)  # fmt: skip
_PLACES = (
    ("in", 46.0),
    ("adverb", 14.0),
    ("town", 12.0),
    ("on", 9.0),
    ("near", 7.0),
    ("behind", 6.0),
    ("under", 6.0),
)
_HOSTS = {"in": ("location",), "on": ("surface",), "under": ("surface",)}
_COMPANY = (("with", 60.0), ("for", 25.0), ("without", 15.0))


@lru_cache(maxsize=64)
def _describing(group: str, before: bool | None) -> tuple[Adjective, ...]:
    """Return the adjectives that describe a noun group; ``before`` filters by their place in French."""
    return tuple(
        adjective
        for adjective in ADJECTIVES
        if group in adjective.groups and before in (None, adjective.before)
    )


def adjective_for(dice: Dice, entity: Entity) -> Adjective:
    """Draw an adjective that can describe the entity; names and pronouns count as persons."""
    group = entity.noun.group if entity.noun else "person"
    return dice.zipf(_describing(group, None))


def draw_pronoun(dice: Dice) -> Entity:
    """Draw a personal pronoun: i, you (singular), he, she, we or they."""
    form, gender = dice.weighted(_PRONOUNS).split()
    return Entity(int(form[0]), form[1] == "p", gender)


def other_pronoun(dice: Dice, subject: Entity | None) -> Entity:
    """Draw a personal pronoun other than the subject: never "i see me" or "i see us"."""
    pronoun = draw_pronoun(dice)
    while subject is not None and subject.person < 3 and pronoun.person == subject.person:
        pronoun = draw_pronoun(dice)
    return pronoun


def draw_noun(dice: Dice, groups: Sequence[str], *, plain: bool = False) -> Entity:
    """Draw a noun with its determiner and adjectives.

    Args:
        dice: the source of random draws.
        groups: noun groups to draw from; the first is the most frequent.
        plain: use only determiners that fit negated clauses and short phrases, and fewer adjectives.
    """
    noun = dice.zipf(NOUNS[dice.zipf(groups)])
    if noun.mass:
        bare = not plain and dice.chance(0.6)
        return Entity(3, False, noun.french_gender, noun, determiner="" if bare else "the")
    determiner = dice.weighted(_PLAIN_DETERMINERS if plain else _DETERMINERS)
    plural = determiner in ("number", "some")
    if determiner in ("the", "possessive", "owner", "this", "that"):
        plural = dice.chance(0.3)
    if determiner == "possessive":
        determiner = dice.weighted(_POSSESSIVES)
    adjectives = _draw_adjectives(dice, noun.group, 0.08 if plain else 0.3)
    return Entity(
        person=3,
        plural=plural,
        gender=noun.french_gender,
        noun=noun,
        determiner=determiner,
        numeral=dice.zipf(NUMERALS) if determiner == "number" else None,
        owner=dice.zipf(NAMES) if determiner == "owner" else None,
        adjectives=adjectives,
        very=len(adjectives) == 1 and dice.chance(0.1),
    )


def _draw_adjectives(dice: Dice, group: str, probability: float) -> tuple[Adjective, ...]:
    if not dice.chance(probability) or not _describing(group, None):
        return ()
    first, second = _describing(group, True), _describing(group, False)
    if first and second and dice.chance(0.12):
        return dice.zipf(first), dice.zipf(second)
    return (dice.zipf(_describing(group, None)),)


def draw_subject(dice: Dice, groups: Sequence[str], *, plain: bool = False) -> Entity:
    """Draw a noun of the groups; if they include ``person``, possibly a name, a pronoun or a pair."""
    kind = dice.weighted(_SUBJECTS) if "person" in groups else "noun"
    if kind == "pronoun":
        return draw_pronoun(dice)
    if kind == "name":
        return _draw_name(dice)
    if kind == "pair":
        first = _draw_name(dice)
        second = _draw_name(dice) if dice.chance(0.5) else draw_noun(dice, ("person",), plain=True)
        if first.name is not second.name:
            gender = "f" if first.gender == second.gender == "f" else "m"
            return Entity(3, True, gender, pair=(first, second))
    return draw_noun(dice, groups, plain=plain)


def _draw_name(dice: Dice) -> Entity:
    name = dice.zipf(NAMES)
    return Entity(3, False, name.gender, name=name)


def draw_place(dice: Dice) -> Place:
    """Draw a place: in, on, under, behind or near something, in a town, or an adverb."""
    kind = dice.weighted(_PLACES)
    if kind == "adverb":
        return Place("", adverb=dice.zipf(PLACE_ADVERBS))
    if kind == "town":
        return Place("in", town=dice.zipf(TOWNS))
    return Place(kind, draw_noun(dice, _HOSTS.get(kind, ("location", "surface")), plain=True))


def draw_company(dice: Dice, subject: Entity | None) -> Place:
    """Draw a person with a preposition: with, without or for."""
    preposition = dice.weighted(_COMPANY)
    if dice.chance(0.3):
        return Place(preposition, other_pronoun(dice, subject))
    return Place(
        preposition, _draw_name(dice) if dice.chance(0.4) else draw_noun(dice, ("person",), plain=True)
    )


def draw_time(dice: Dice, tense: str) -> Time | None:
    """Draw a time; return None if it does not fit the tense."""
    kind = dice.weighted(_TIMES)
    if kind == "adverb":
        word = dice.zipf(TIME_ADVERBS)
        return Time(kind, word) if word.when == "any" or word.when == tense else None
    if tense not in ("pres", "past", "fut") or (kind == "every" and tense == "fut"):
        return None
    if kind in ("before", "after"):
        return Time(kind, entity=draw_noun(dice, ("event",), plain=True))
    if kind == "part":
        return Time(kind, noun=_part_of_day(dice))
    words = {"weekday": WEEKDAYS, "every": WEEKDAYS, "month": MONTHS, "hour": HOURS}[kind]
    return Time(kind, dice.zipf(words))


def _part_of_day(dice: Dice) -> Noun:
    return dice.zipf(NOUNS["part"])
