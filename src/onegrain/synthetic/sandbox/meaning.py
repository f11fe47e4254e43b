"""What a sandbox sentence means, before any language says it."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.synthetic.sandbox.lexicon.modifiers import Adjective, Name, Word
from onegrain.synthetic.sandbox.lexicon.nouns import Noun
from onegrain.synthetic.sandbox.lexicon.verbs import Verb

__all__ = ["Clause", "Entity", "Place", "Relative", "Sentence", "Time"]


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """Someone or something: exactly one of noun, name and pair, or else a personal pronoun.

    Attributes:
        person: 1, 2 or 3.
        plural: its number.
        gender: ``m`` or ``f``, as French agrees with it.
        determiner: ``the a this that every some number my your his her our their owner`` or empty (mass nouns).
        numeral: of the determiner ``number``.
        owner: of the determiner ``owner`` (anna 's dog).
        very: whether "very" stands before the first adjective.
    """

    person: int
    plural: bool
    gender: str
    noun: Noun | None = None
    name: Name | None = None
    pair: tuple[Entity, Entity] | None = None
    determiner: str = ""
    numeral: Word | None = None
    owner: Name | None = None
    adjectives: tuple[Adjective, ...] = ()
    very: bool = False
    relative: Relative | None = None

    @property
    def is_pronoun(self) -> bool:
        """Whether it is a personal pronoun."""
        return self.noun is None and self.name is None and self.pair is None


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """A relative clause; the clause's own subject or object stands for the noun that it describes."""

    clause: Clause
    of_subject: bool
    who: bool


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where, where to, or with whom: a preposition with an entity or a town, or an adverb alone."""

    preposition: str
    entity: Entity | None = None
    town: Word | None = None
    adverb: Word | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Time:
    """When; ``kind`` is ``weekday month hour every part adverb before after``."""

    kind: str
    word: Word | None = None
    noun: Noun | None = None
    entity: Entity | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """One verb with what belongs to it.

    Attributes:
        tense: ``pres past fut prog pastprog perf``.
        modal: ``can may must want`` or empty.
        negation: ``not never`` or empty.
        there: "there is ...".
    """

    verb: Verb
    tense: str
    subject: Entity | None = None
    object: Entity | None = None
    recipient: Entity | None = None
    complement: Clause | None = None
    modal: str = ""
    negation: str = ""
    adjective: Adjective | None = None
    very: bool = False
    there: bool = False
    place: Place | None = None
    company: Place | None = None
    simile: Entity | None = None
    manner: Word | None = None
    frequency: Word | None = None
    time: Time | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """A clause and how it is said.

    Attributes:
        mood: ``statement yesno who what where when why``.
        time_first: the clause's time opens the sentence.
        conjunction, second: a clause joined by ``and`` or ``but``.
        subordinator, condition: a clause joined by ``when because while if before after``.
        condition_first: whether that clause opens the sentence.
    """

    clause: Clause
    mood: str = "statement"
    time_first: bool = False
    conjunction: str = ""
    second: Clause | None = None
    subordinator: str = ""
    condition: Clause | None = None
    condition_first: bool = False
