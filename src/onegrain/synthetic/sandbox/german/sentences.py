"""Sandbox meanings said in German: case, verb second, verb last, and commas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onegrain.synthetic.sandbox.german.nouns import article, personal_pronoun, say_entity
from onegrain.synthetic.sandbox.german.verbs import conjugate
from onegrain.synthetic.sandbox.lexicon.verbs import BE
from onegrain.synthetic.sandbox.meaning import Clause, Entity, Place, Sentence, Time
from onegrain.synthetic.sandbox.tokens import Token, feats

__all__ = ["say_german"]

_HABEN = ("haben", "hat", "hatte", "gehabt")
_WERDEN = ("werden", "wird", "wurde", "geworden")
_GEBEN = ("geben", "gibt", "gab", "gegeben")
_MODALS = {
    "can": ("können", "kann", "konnte", "gekonnt"), "may": ("dürfen", "darf", "durfte", "gedurft"),
    "must": ("müssen", "muss", "musste", "gemusst"), "want": ("wollen", "will", "wollte", "gewollt"),
}  # fmt: skip
_PREPOSITIONS = {
    "in": ("in", "Dat"), "on": ("auf", "Dat"), "under": ("unter", "Dat"), "behind": ("hinter", "Dat"),
    "near": ("bei", "Dat"), "with": ("mit", "Dat"), "without": ("ohne", "Acc"), "for": ("für", "Acc"),
    "to": ("zu", "Dat"), "from": ("aus", "Dat"), "before": ("vor", "Dat"), "after": ("nach", "Dat"),
}  # fmt: skip
_CONTRACTED = {
    ("in", "dem"): "im", ("an", "dem"): "am", ("zu", "dem"): "zum", ("zu", "der"): "zur",
    ("bei", "dem"): "beim",
}  # fmt: skip
_SUBORDINATORS = {
    "because": "weil", "if": "wenn", "while": "während", "before": "bevor", "after": "nachdem",
}  # fmt: skip
_QUESTION = {"where": "wo", "when": "wann", "why": "warum"}
_COMMA = Token(",", "PUNCT")
_NICHT = Token("nicht", "PART", "Polarity=Neg")
_NIE = Token("nie", "ADV")
_ES = Token("es", "PRON", feats(Case="Nom", Gender="Neut", Number="Sing", Person="3", PronType="Prs"))
_WER = Token("wer", "PRON", feats(Case="Nom", Number="Sing", PronType="Int"))
_WAS = Token("was", "PRON", feats(Case="Acc", Number="Sing", PronType="Int"))


def say_german(sentence: Sentence) -> list[Token]:
    """The sentence as German tokens, lower case, with its final mark."""
    said = [*_join(sentence), Token("." if sentence.mood == "statement" else "?", "PUNCT")]
    return _contract(_commas(said))


def _join(sentence: Sentence) -> list[Token]:
    clause, mood = sentence.clause, sentence.mood
    if mood == "who":
        return _main(clause, subject=[_WER])
    if mood == "what":
        return _main(clause, front=[_WAS])
    if mood == "yesno":
        return _main(clause, front=[])
    if mood != "statement":
        return _main(clause, front=[Token(_QUESTION[mood], "ADV", "PronType=Int")])
    if sentence.time_first and clause.time:
        return _main(replace(clause, time=None), front=_time(clause.time))
    if sentence.second:
        comma = [_COMMA] if sentence.conjunction == "but" else []
        joint = Token({"and": "und", "but": "aber"}[sentence.conjunction], "CCONJ")
        return [*_main(clause), *comma, joint, *_main(sentence.second)]
    if sentence.condition:
        condition = _condition(sentence.condition, sentence.subordinator)
        if sentence.condition_first:
            return _main(clause, front=[*condition, _COMMA])
        return [*_main(clause), _COMMA, *condition]
    return _main(clause)


def _condition(clause: Clause, subordinator: str) -> list[Token]:
    if subordinator == "when":
        form = "als" if clause.tense == "past" else "wenn"
    else:
        form = _SUBORDINATORS[subordinator]
    if subordinator == "after":
        clause = replace(clause, tense="plup")
    return [Token(form, "SCONJ"), *_verb_last(clause)]


def _main(
    clause: Clause, *, subject: list[Token] | None = None, front: list[Token] | None = None
) -> list[Token]:
    """Verb second: after the subject, or after ``front`` with the subject behind the verb."""
    subject = _subject(clause) if subject is None else subject
    finite, rest = _verbs(clause)
    complement = _complement(clause)
    if front is None:
        return [*subject, finite, *_middle(clause), *rest, *complement]
    return [*front, finite, *subject, *_middle(clause), *rest, *complement]


def _verb_last(clause: Clause, subject: list[Token] | None = None) -> list[Token]:
    subject = _subject(clause) if subject is None else subject
    finite, rest = _verbs(clause)
    return [*subject, *_middle(clause), *rest, finite, *_complement(clause)]


def _complement(clause: Clause) -> list[Token]:
    if clause.complement is None:
        return []
    return [_COMMA, Token("dass", "SCONJ"), *_verb_last(clause.complement)]


def _subject(clause: Clause) -> list[Token]:
    return [_ES] if clause.subject is None else say_entity(clause.subject, "Nom", _relative)


def _verbs(clause: Clause) -> tuple[Token, list[Token]]:
    """The finite verb, and the participle or infinitive that closes the clause."""
    doer = clause.subject or Entity(3, False, "m")
    forms = _GEBEN if clause.there else clause.verb.german
    upos = "AUX" if clause.verb is BE and not clause.there else "VERB"
    infinitive = Token(forms[0], upos, "VerbForm=Inf")
    if clause.modal:
        tense = "past" if clause.tense == "past" else "pres"
        return _finite(_MODALS[clause.modal], "AUX", tense, doer), [infinitive]
    if clause.tense == "fut":
        return _finite(_WERDEN, "AUX", "pres", doer), [infinitive]
    if clause.tense in ("perf", "plup"):
        auxiliary = BE.german if clause.verb.sein else _HABEN
        tense = "pres" if clause.tense == "perf" else "past"
        return _finite(auxiliary, "AUX", tense, doer), [Token(forms[3], upos, "VerbForm=Part")]
    tense = "past" if clause.tense in ("past", "pastprog") else "pres"
    return _finite(forms, upos, tense, doer), []


def _finite(forms: tuple[str, str, str, str], upos: str, tense: str, doer: Entity) -> Token:
    marks = feats(
        Mood="Ind",
        Number="Plur" if doer.plural else "Sing",
        Person=str(doer.person),
        Tense="Past" if tense == "past" else "Pres",
        VerbForm="Fin",
    )
    return Token(conjugate(forms, tense, doer.person, doer.plural), upos, marks)


def _middle(clause: Clause) -> list[Token]:
    """What stands between the finite verb (or the subject) and the end of the clause."""
    thing = clause.object
    said: list[Token] = []
    if thing and thing.is_pronoun:
        said.append(personal_pronoun(thing, "Acc"))
    if clause.time:
        said += _time(clause.time)
    if clause.negation == "never":
        said.append(_NIE)
    if clause.frequency:
        said.append(Token(clause.frequency.german, "ADV"))
    if clause.recipient:
        said += say_entity(clause.recipient, "Dat", _relative)
    denied = clause.negation == "not" and thing is not None and thing.determiner == "a"
    if thing and not thing.is_pronoun:
        said += say_entity(thing, "Acc", _relative, denied=denied)
    if clause.negation == "not" and not denied:
        said.append(_NICHT)
    if clause.manner:
        said.append(Token(clause.manner.german, "ADV"))
    if clause.simile:
        said += [Token("wie", "ADP"), *say_entity(clause.simile, "Nom", _relative)]
    for place in (clause.company, clause.place):
        if place:
            said += _place(place)
    if clause.adjective:
        said += [Token("sehr", "ADV")] if clause.very else []
        said.append(Token(clause.adjective.german, "ADJ", "Degree=Pos"))
    return said


def _relative(entity: Entity) -> list[Token]:
    if entity.relative is None:
        return []
    clause = entity.relative.clause
    if entity.relative.of_subject:
        said = _verb_last(clause, subject=[article(entity, "Nom", "Rel", "PRON")])
    else:
        said = [article(entity, "Acc", "Rel", "PRON"), *_verb_last(replace(clause, object=None))]
    return [_COMMA, *said, _COMMA]


def _place(place: Place) -> list[Token]:
    if place.adverb:
        return [Token(place.adverb.german, "ADV")]
    form, case = _PREPOSITIONS[place.preposition]
    if place.town:
        form = "nach" if place.preposition == "to" else form
        return [Token(form, "ADP"), Token(place.town.german, "PROPN", feats(Case=case, Number="Sing"))]
    return [Token(form, "ADP"), *(say_entity(place.entity, case, _relative) if place.entity else [])]


def _time(time: Time) -> list[Token]:
    if time.entity:
        form, case = _PREPOSITIONS[time.kind]
        return [Token(form, "ADP"), *say_entity(time.entity, case, _relative)]
    marks = feats(Case="Dat", Gender="Masc", Number="Sing")
    fused = feats(Case="Dat", Definite="Def", Gender="Masc", Number="Sing", PronType="Art")
    if time.noun:
        return [Token("am", "ADP", fused), Token(time.noun.german[0], "NOUN", marks)]
    form = time.word.german if time.word else ""
    if time.kind == "adverb":
        return [Token(form, "ADV")]
    if time.kind == "hour":
        uhr = feats(Case="Acc", Gender="Fem", Number="Sing")
        return [Token("um", "ADP"), Token(form, "NUM", "NumType=Card"), Token("uhr", "NOUN", uhr)]
    if time.kind == "every":
        accusative = feats(Case="Acc", Gender="Masc", Number="Sing")
        every = Token("jeden", "DET", feats(Case="Acc", Gender="Masc", Number="Sing", PronType="Tot"))
        return [every, Token(form, "NOUN", accusative)]
    return [Token("im" if time.kind == "month" else "am", "ADP", fused), Token(form, "NOUN", marks)]


def _commas(tokens: Sequence[Token]) -> list[Token]:
    """Drop a comma that another comma or the final mark follows."""
    follows = [*(token.upos for token in tokens[1:]), ""]
    return [
        token for token, after in zip(tokens, follows, strict=True) if token.form != "," or after != "PUNCT"
    ]


def _contract(tokens: Sequence[Token]) -> list[Token]:
    said: list[Token] = []
    for token in tokens:
        fused = _CONTRACTED.get((said[-1].form, token.form)) if said and token.upos == "DET" else None
        if fused:
            said[-1] = Token(fused, "ADP", token.feats)
        else:
            said.append(token)
    return said
