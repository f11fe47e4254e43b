"""Turn sandbox meanings into German: case, verb second, verb last, and commas."""

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
    """Return the sentence as lower-case German tokens, with the final punctuation mark."""
    tokens = [*_join(sentence), Token("." if sentence.mood == "statement" else "?", "PUNCT")]
    return _contract(_commas(tokens))


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
        conjunction = Token({"and": "und", "but": "aber"}[sentence.conjunction], "CCONJ")
        return [*_main(clause), *comma, conjunction, *_main(sentence.second)]
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
    """Return a main clause: the finite verb comes second, after the subject or after ``front``."""
    subject = _subject(clause) if subject is None else subject
    finite, rest = _verbs(clause)
    complement = _complement(clause)
    if front is None:
        return [*subject, finite, *_middle(clause), *rest, *complement]
    return [*front, finite, *subject, *_middle(clause), *rest, *complement]


def _verb_last(clause: Clause, subject: list[Token] | None = None) -> list[Token]:
    """Return a subordinate clause: the finite verb comes last."""
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
    """Return the finite verb, and the participle or infinitive at the end of the clause, if any."""
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
    features = feats(
        Mood="Ind",
        Number="Plur" if doer.plural else "Sing",
        Person=str(doer.person),
        Tense="Past" if tense == "past" else "Pres",
        VerbForm="Fin",
    )
    return Token(conjugate(forms, tense, doer.person, doer.plural), upos, features)


def _middle(clause: Clause) -> list[Token]:
    """Return the tokens between the finite verb (or the subject) and the verbs at the end of the clause."""
    thing = clause.object
    tokens: list[Token] = []
    if thing and thing.is_pronoun:
        tokens.append(personal_pronoun(thing, "Acc"))
    if clause.time:
        tokens += _time(clause.time)
    if clause.negation == "never":
        tokens.append(_NIE)
    if clause.frequency:
        tokens.append(Token(clause.frequency.german, "ADV"))
    if clause.recipient:
        tokens += say_entity(clause.recipient, "Dat", _relative)
    denied = clause.negation == "not" and thing is not None and thing.determiner == "a"
    if thing and not thing.is_pronoun:
        tokens += say_entity(thing, "Acc", _relative, denied=denied)
    if clause.negation == "not" and not denied:
        tokens.append(_NICHT)
    if clause.manner:
        tokens.append(Token(clause.manner.german, "ADV"))
    if clause.simile:
        tokens += [Token("wie", "ADP"), *say_entity(clause.simile, "Nom", _relative)]
    for place in (clause.company, clause.place):
        if place:
            tokens += _place(place)
    if clause.adjective:
        tokens += [Token("sehr", "ADV")] if clause.very else []
        tokens.append(Token(clause.adjective.german, "ADJ", "Degree=Pos"))
    return tokens


def _relative(entity: Entity) -> list[Token]:
    if entity.relative is None:
        return []
    clause = entity.relative.clause
    if entity.relative.of_subject:
        tokens = _verb_last(clause, subject=[article(entity, "Nom", "Rel", "PRON")])
    else:
        tokens = [article(entity, "Acc", "Rel", "PRON"), *_verb_last(replace(clause, object=None))]
    return [_COMMA, *tokens, _COMMA]


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
    features = feats(Case="Dat", Gender="Masc", Number="Sing")
    contracted = feats(Case="Dat", Definite="Def", Gender="Masc", Number="Sing", PronType="Art")
    if time.noun:
        return [Token("am", "ADP", contracted), Token(time.noun.german[0], "NOUN", features)]
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
    return [Token("im" if time.kind == "month" else "am", "ADP", contracted), Token(form, "NOUN", features)]


def _commas(tokens: Sequence[Token]) -> list[Token]:
    """Drop each comma directly before another comma or the final mark."""
    following = [*(token.upos for token in tokens[1:]), ""]
    return [
        token for token, upos in zip(tokens, following, strict=True) if token.form != "," or upos != "PUNCT"
    ]


def _contract(tokens: Sequence[Token]) -> list[Token]:
    """Contract a preposition and the article after it: "in dem" becomes "im"."""
    contracted: list[Token] = []
    for token in tokens:
        fused = (
            _CONTRACTED.get((contracted[-1].form, token.form)) if contracted and token.upos == "DET" else None
        )
        if fused:
            contracted[-1] = Token(fused, "ADP", token.feats)
        else:
            contracted.append(token)
    return contracted
