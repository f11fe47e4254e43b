"""The meaning of a sandbox sentence, independent of language."""

from __future__ import annotations

from dataclasses import dataclass

from onegrain.synthetic.sandbox.lexicon.modifiers import Adjective, Name, Word
from onegrain.synthetic.sandbox.lexicon.nouns import Noun
from onegrain.synthetic.sandbox.lexicon.verbs import Verb

__all__ = ["Clause", "Entity", "Place", "Relative", "Sentence", "Time"]


@dataclass(frozen=True, slots=True, eq=False)
class Entity:
    """A person or thing: a noun, a name, a pair of entities or, if all three are None, a personal pronoun.

    Attributes:
        person: 1, 2 or 3.
        plural: True for the plural.
        gender: the French gender, ``m`` or ``f``.
        determiner: ``the a this that every some number my your his her our their owner`` or empty (mass nouns).
        numeral: the numeral, with the determiner ``number``.
        owner: the owner, with the determiner ``owner`` (anna 's dog).
        adjectives: none, one or two; in English order.
        very: put "very" before the adjective.
        relative: a relative clause that describes the noun.
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
        """True if the entity is a personal pronoun."""
        return self.noun is None and self.name is None and self.pair is None


@dataclass(frozen=True, slots=True, eq=False)
class Relative:
    """A relative clause that describes a noun.

    Attributes:
        clause: the clause; its subject or object is the entity that it describes.
        of_subject: the described entity is the subject, not the object.
        who: English uses "who" rather than "that".
    """

    clause: Clause
    of_subject: bool
    who: bool


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A place, goal or companion: a preposition with an entity or a town, or an adverb alone."""

    preposition: str
    entity: Entity | None = None
    town: Word | None = None
    adverb: Word | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Time:
    """A time.

    Attributes:
        kind: ``weekday month hour every part adverb before after``.
        word: the weekday (also with ``every``), month, hour or adverb.
        noun: the part of the day.
        entity: the event, with ``before`` and ``after``.
    """

    kind: str
    word: Word | None = None
    noun: Noun | None = None
    entity: Entity | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Clause:
    """A verb with its subject, objects, complements and adverbials.

    Attributes:
        tense: ``pres past fut prog pastprog perf``.
        subject: None for weather verbs and "there is".
        recipient: who receives the object.
        complement: a that-clause.
        modal: ``can may must want`` or empty.
        negation: ``not never`` or empty.
        adjective: the predicate of "be".
        very: put "very" before that adjective.
        there: the clause is "there is" with its object.
        company: with, without or for whom.
        simile: the entity after "like".
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
    """A main clause, with the form of the sentence and at most one further clause.

    Attributes:
        mood: ``statement yesno who what where when why``.
        time_first: the time of the clause comes first.
        conjunction: ``and`` or ``but``, before ``second``.
        second: a coordinate clause.
        subordinator: ``when because while if before after``, before ``condition``.
        condition: a subordinate clause.
        condition_first: the subordinate clause comes first.
    """

    clause: Clause
    mood: str = "statement"
    time_first: bool = False
    conjunction: str = ""
    second: Clause | None = None
    subordinator: str = ""
    condition: Clause | None = None
    condition_first: bool = False
