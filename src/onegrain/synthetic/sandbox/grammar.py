"""Draw the meanings of sandbox sentences: which clauses a sentence has, and which parts each clause has."""

from __future__ import annotations

from dataclasses import replace

from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.entities import (
    adjective_for,
    draw_company,
    draw_noun,
    draw_place,
    draw_subject,
    draw_time,
    other_pronoun,
)
from onegrain.synthetic.sandbox.lexicon.modifiers import FREQUENCY, MANNER, MANNER_OF_DOING, TOWNS
from onegrain.synthetic.sandbox.lexicon.verbs import BE, VERBS, Verb
from onegrain.synthetic.sandbox.meaning import Clause, Entity, Place, Relative, Sentence

__all__ = ["draw_sentence"]

_KINDS = (
    ("transitive", 34.0), ("intransitive", 18.0), ("copula", 13.0), ("motion", 12.0), ("ditransitive", 8.0),
    ("complement", 8.0), ("there", 5.0), ("weather", 2.0),
)  # fmt: skip
_SMALL_KINDS = (("transitive", 35.0), ("intransitive", 30.0), ("copula", 18.0), ("motion", 17.0))
_MOODS = (
    ("statement", 84.0), ("yesno", 7.0), ("who", 3.0), ("what", 2.0), ("where", 1.5), ("when", 1.5),
    ("why", 1.0),
)  # fmt: skip
_TENSES = (("pres", 35.0), ("past", 29.0), ("fut", 12.0), ("prog", 10.0), ("perf", 8.0), ("pastprog", 6.0))
_SIMPLE_TENSES = (("pres", 50.0), ("past", 35.0), ("fut", 15.0))
_MODALS = (("can", 35.0), ("want", 30.0), ("must", 22.0), ("may", 13.0))
_SUBORDINATORS = (
    ("because", 30.0), ("when", 22.0), ("if", 14.0), ("while", 12.0), ("before", 12.0), ("after", 10.0),
)  # fmt: skip
_FRAMES = {"transitive": "t", "intransitive": "i", "motion": "m", "ditransitive": "d", "complement": "c"}
_NO_SUBJUNCTIVE = ("aller", "avoir", "être", "vouloir", "pouvoir")
_NO_MANNER = ("v.perception", "v.emotion", "v.cognition", "v.possession", "v.stative", "v.change")


def draw_sentence(dice: Dice) -> Sentence:
    """Draw the meaning of one sentence: a statement or a question."""
    mood = dice.weighted(_MOODS)
    if mood != "statement":
        return _question(dice, mood)
    clause = _clause(dice, dice.weighted(_KINDS))
    if clause.complement or _has_relative(clause) or clause.there:
        return Sentence(clause)
    if clause.time and dice.chance(0.3):
        return Sentence(clause, time_first=True)
    if dice.chance(0.1):
        second = _clause(dice, dice.weighted(_SMALL_KINDS), small=True)
        return Sentence(clause, conjunction="but" if dice.chance(0.35) else "and", second=second)
    if dice.chance(0.2) and not clause.modal and clause.tense in ("pres", "past", "fut"):
        return _with_condition(dice, clause)
    return Sentence(clause)


def _question(dice: Dice, mood: str) -> Sentence:
    kinds = {"what": "transitive", "where": "intransitive"}
    clause = _clause(dice, kinds.get(mood) or dice.weighted(_SMALL_KINDS), small=mood != "yesno")
    clause = replace(clause, negation="", modal="", frequency=None)
    if mood == "who":
        subject = Entity(3, False, "m")
        adjective = adjective_for(dice, subject) if clause.adjective else None
        return Sentence(replace(clause, subject=subject, adjective=adjective), mood)
    if mood == "what":
        return Sentence(replace(clause, object=None), mood)
    if mood == "where":
        return Sentence(replace(clause, place=None, company=None), mood)
    if mood == "when":
        return Sentence(replace(clause, time=None), mood)
    return Sentence(clause, mood)


def _has_relative(clause: Clause) -> bool:
    return any(entity is not None and entity.relative for entity in (clause.subject, clause.object))


def _clause(dice: Dice, kind: str, *, small: bool = False, tense: str = "") -> Clause:
    """Draw a clause of a kind.

    Args:
        dice: the source of random draws.
        kind: a name of ``_KINDS``.
        small: draw a short clause, for use beside or inside another.
        tense: the tense; empty to draw one.
    """
    if kind == "weather":
        tense = tense or dice.weighted(_SIMPLE_TENSES)
        return Clause(dice.zipf(VERBS["w"]), tense, time=draw_time(dice, tense))
    if kind == "there":
        groups = ("person", "animal", "artifact", "food") if dice.chance(0.7) else ("dish", "drink")
        thing = draw_noun(dice, groups)
        while thing.determiner not in ("a", "some", "number", ""):
            thing = draw_noun(dice, groups)
        place = draw_place(dice)
        return Clause(BE, tense or dice.weighted(_SIMPLE_TENSES), object=thing, there=True, place=place)
    if kind == "copula":
        return _copula(dice, small, tense)
    verb = dice.zipf(VERBS[_FRAMES[kind]])
    clause = _core(dice, verb, small, tense)
    if kind == "complement":
        return clause
    return (
        clause if _has_relative(clause) and not _ends_with_subject(clause) else _adjuncts(dice, clause, small)
    )


def _ends_with_subject(clause: Clause) -> bool:
    return clause.object is None or clause.object.relative is None


def _tense(dice: Dice, verb: Verb) -> str:
    tense = dice.weighted(_TENSES)
    return {"prog": "pres", "pastprog": "past"}.get(tense, tense) if verb.stative else tense


def _core(dice: Dice, verb: Verb, small: bool, tense: str) -> Clause:
    """Draw the subject, objects, tense, modal and negation that go with a verb."""
    tense = tense or (dice.weighted(_SIMPLE_TENSES) if small else _tense(dice, verb))
    modal = "" if small or verb.frame == "c" or not dice.chance(0.16) else dice.weighted(_MODALS)
    if modal:
        tense = "past" if modal == "want" and dice.chance(0.3) else "pres"
    elif verb.frame == "c" and tense == "fut":
        tense = "pres"
    negation = "" if verb.frame == "c" else _negation(dice, tense, modal)
    subject = draw_subject(
        dice, ("person",) if modal == "want" else verb.subjects, plain=bool(negation) or small
    )
    clause = Clause(verb, tense, subject=subject, modal=modal, negation=negation)
    if verb.frame == "c":
        inner = _clause(dice, dice.weighted(_SMALL_KINDS), small=True, tense=_inner_tense(dice, tense))
        return replace(clause, complement=inner)
    if verb.frame in "td":
        clause = replace(clause, object=_object(dice, verb, subject, plain=bool(negation) or small))
    if verb.frame == "d":
        recipient = draw_subject(dice, ("person",), plain=True)
        while recipient.pair or recipient.is_pronoun:
            recipient = draw_subject(dice, ("person",), plain=True)
        return replace(clause, recipient=recipient)
    if not small and not negation and verb.frame != "d":
        clause = _maybe_relative(dice, clause)
    return clause


def _inner_tense(dice: Dice, outer: str) -> str:
    if outer in ("past", "pastprog", "perf"):
        return "past"
    return dice.weighted(_SIMPLE_TENSES)


def _negation(dice: Dice, tense: str, modal: str) -> str:
    if modal in ("must", "may") or not dice.chance(0.14):
        return ""
    return "never" if tense in ("pres", "past", "perf", "fut") and not modal and dice.chance(0.3) else "not"


def _object(dice: Dice, verb: Verb, subject: Entity, *, plain: bool) -> Entity:
    if "person" in verb.objects and verb.frame == "t" and dice.chance(0.3):
        return other_pronoun(dice, subject)
    if "person" in verb.objects and verb.frame == "t" and dice.chance(0.15):
        named = draw_subject(dice, ("person",), plain=True)
        if named.name:
            return named
    thing = draw_noun(dice, verb.objects, plain=plain)
    if thing.determiner == "" and (verb.stative or verb.frame == "d"):
        return replace(thing, determiner="the")
    return thing


def _maybe_relative(dice: Dice, clause: Clause) -> Clause:
    """Sometimes give the subject or the object a relative clause."""
    for role, probability in (("subject", 0.07), ("object", 0.09)):
        entity: Entity | None = getattr(clause, role)
        if entity is None or entity.noun is None or entity.noun.mass or entity.determiner in ("every", "some"):
            continue
        if dice.chance(probability):
            relative = _relative(dice, entity)
            if relative is not None:
                return replace(clause, **{role: replace(entity, relative=relative)})  # type: ignore[arg-type]
    return clause


def _relative(dice: Dice, head: Entity) -> Relative | None:
    """Draw a relative clause that describes ``head``; return None if the drawn clause does not fit."""
    group = head.noun.group if head.noun else ""
    if group in ("person", "animal") and dice.chance(0.6):
        kind = dice.weighted(_SMALL_KINDS[:3])
        inner = _clause(dice, kind, small=True)
        if kind != "copula" and group not in inner.verb.subjects:
            return None
        if inner.negation == "" and inner.adjective is not None:
            inner = replace(inner, adjective=adjective_for(dice, head))
        who = group == "person" and dice.chance(0.7)
        return Relative(replace(inner, subject=head), of_subject=True, who=who)
    verbs = [verb for verb in VERBS["t"] if group in verb.objects]
    inner = _core(dice, dice.zipf(verbs), True, "")
    if inner.negation or inner.subject is None or inner.subject.pair:
        return None
    return Relative(replace(inner, object=head), of_subject=False, who=False)


def _copula(dice: Dice, small: bool, tense: str) -> Clause:
    groups = (
        "person",
        "animal",
        "location",
        "artifact",
        "food",
        "clothes",
        "communication",
        "act",
        "surface",
    )
    tense = tense or dice.weighted(_SIMPLE_TENSES if small else (*_SIMPLE_TENSES, ("perf", 7.0)))
    negation = "" if small else _negation(dice, tense, "")
    subject = draw_subject(dice, groups, plain=bool(negation) or small)
    clause = Clause(BE, tense, subject=subject, negation=negation)
    living = subject.noun is None or subject.noun.group in ("person", "animal", "artifact")
    if living and tense != "perf" and dice.chance(0.35):
        return replace(clause, place=draw_place(dice))
    clause = replace(clause, adjective=adjective_for(dice, subject), very=not negation and dice.chance(0.2))
    if not negation and not clause.very and tense == "pres" and dice.chance(0.1):
        return replace(clause, frequency=dice.zipf(FREQUENCY))
    return clause


def _adjuncts(dice: Dice, clause: Clause, small: bool) -> Clause:
    """Add place, company, manner, simile, frequency and time: at most two of them, one to a small clause."""
    verb, n_left = clause.verb, 1 if small else 2
    if verb.frame == "m":
        clause, n_left = replace(clause, place=_goal(dice, verb)), n_left - 1
    if n_left and not clause.negation and verb.sense not in _NO_MANNER and dice.chance(0.16):
        words = MANNER if verb.frame in "im" else MANNER_OF_DOING
        clause, n_left = replace(clause, manner=dice.zipf(words)), n_left - 1
    elif verb.frame == "i" and n_left and not small and dice.chance(0.07):
        simile = replace(draw_noun(dice, ("animal", "person"), plain=True), determiner="a", plural=False)
        clause, n_left = replace(clause, simile=simile), n_left - 1
    if n_left and verb.frame == "i" and dice.chance(0.25):
        clause, n_left = replace(clause, company=draw_company(dice, clause.subject)), n_left - 1
    place_probability = 0.0 if verb.stative or verb.frame not in "it" else 0.4 if verb.frame == "i" else 0.2
    if n_left and not clause.simile and dice.chance(place_probability):
        clause, n_left = replace(clause, place=draw_place(dice)), n_left - 1
    if (
        n_left
        and not clause.negation
        and not clause.modal
        and clause.tense in ("pres", "past")
        and dice.chance(0.12)
    ):
        clause, n_left = replace(clause, frequency=dice.zipf(FREQUENCY)), n_left - 1
    if n_left and clause.frequency is None and clause.negation != "never" and dice.chance(0.36):
        clause = replace(clause, time=draw_time(dice, clause.tense))
    return clause


def _goal(dice: Dice, verb: Verb) -> Place:
    preposition = "from" if verb.french == "venir" and dice.chance(0.5) else "to"
    if dice.chance(0.25):
        return Place(preposition, town=dice.zipf(TOWNS))
    return Place(preposition, draw_noun(dice, ("location",), plain=True))


def _with_condition(dice: Dice, clause: Clause) -> Sentence:
    """Draw a subordinate clause for the main clause; leave it out if the two do not fit together."""
    subordinator = dice.weighted(_SUBORDINATORS)
    if clause.tense == "fut" and subordinator in ("before", "when", "after", "while"):
        return Sentence(clause)
    if subordinator == "if" and clause.tense == "past":
        return Sentence(clause)
    tense = "pres" if subordinator == "if" else clause.tense
    condition = _clause(dice, dice.weighted(_SMALL_KINDS), small=True, tense=tense)
    if subordinator == "before" and condition.verb.french in _NO_SUBJUNCTIVE:
        return Sentence(clause)
    if subordinator == "after" and (condition.verb is BE or clause.tense != "past"):
        return Sentence(clause)
    first = subordinator in ("when", "if", "because") and dice.chance(0.4)
    return Sentence(clause, subordinator=subordinator, condition=condition, condition_first=first)
