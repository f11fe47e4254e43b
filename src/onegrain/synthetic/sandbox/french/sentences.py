"""Turn sandbox meanings into French: agreement, clitics, negation, elision."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onegrain.synthetic.sandbox.french.nouns import say_entity, strong_pronoun
from onegrain.synthetic.sandbox.french.sounds import join_sounds
from onegrain.synthetic.sandbox.french.verbs import conjugate, participle
from onegrain.synthetic.sandbox.lexicon.verbs import BE, Verb
from onegrain.synthetic.sandbox.meaning import Clause, Entity, Place, Sentence, Time
from onegrain.synthetic.sandbox.tokens import Token, feats

__all__ = ["say_french"]

_MODALS = {"can": "pouvoir", "may": "pouvoir", "must": "devoir", "want": "vouloir"}
_CLITICS = {(1, False): "me", (2, False): "te", (1, True): "nous", (3, True): "les"}
_NOMINATIVE = {(1, False): "je", (2, False): "tu", (1, True): "nous", (3, True): "ils"}
_PREPOSITIONS = {
    "in": ("dans",), "on": ("sur",), "under": ("sous",), "behind": ("derrière",), "near": ("près", "de"),
    "with": ("avec",), "without": ("sans",), "for": ("pour",), "from": ("de",),
}  # fmt: skip
_SUBORDINATORS = {
    "because": ("parce", "que"), "when": ("quand",), "if": ("si",), "while": ("pendant", "que"),
    "before": ("avant", "que"), "after": ("après", "que"),
}  # fmt: skip
_QUESTION = {"where": "où", "when": "quand", "why": "pourquoi"}
_COMMA = Token(",", "PUNCT")
_THAT = Token("que", "SCONJ")
_QUI_ASKS = Token("qui", "PRON", "PronType=Int")
_IS_IT = (
    Token("est", "AUX", "Mood=Ind|Number=Sing|Person=3|Tense=Pres|VerbForm=Fin"),
    Token("-ce", "PRON", "Number=Sing|Person=3|PronType=Dem"),
    _THAT,
)
_IL = Token("il", "PRON", feats(Gender="Masc", Number="Sing", Person="3", PronType="Prs"))


@dataclass(frozen=True, slots=True)
class _Setting:
    """The place of a clause in a sentence.

    Attributes:
        subject: tokens that replace the subject's words; None keeps them.
        fronted: the object that stands before the clause, with which a participle agrees.
        tense: a French tense that replaces the clause's tense; empty keeps it.
    """

    subject: list[Token] | None = None
    fronted: Entity | None = None
    tense: str = ""


_MAIN = _Setting()


def say_french(sentence: Sentence) -> list[Token]:
    """Return the sentence as lower-case French tokens, with the final punctuation mark."""
    mark = Token("." if sentence.mood == "statement" else "?", "PUNCT")
    return [*join_sounds(_join(sentence)), mark]


def _join(sentence: Sentence) -> list[Token]:
    clause, mood = sentence.clause, sentence.mood
    if mood == "who":
        return _clause(clause, _Setting(subject=[_QUI_ASKS]))
    if mood == "what":
        return [Token("que", "PRON", "PronType=Int"), *_IS_IT, *_clause(clause)]
    if mood != "statement":
        question_word = [Token(_QUESTION[mood], "ADV", "PronType=Int")] if mood in _QUESTION else []
        return [*question_word, *_IS_IT, *_clause(clause)]
    if sentence.time_first and clause.time:
        return [*_time(clause.time), _COMMA, *_clause(replace(clause, time=None))]
    if sentence.second:
        conjunction = Token({"and": "et", "but": "mais"}[sentence.conjunction], "CCONJ")
        return [*_clause(clause), conjunction, *_clause(sentence.second)]
    if sentence.condition:
        condition = _condition(sentence.condition, sentence.subordinator)
        tokens = _clause(clause, _Setting(tense=_background(clause, sentence.subordinator, main=True)))
        return [*condition, _COMMA, *tokens] if sentence.condition_first else [*tokens, *condition]
    return _clause(clause)


def _condition(clause: Clause, subordinator: str) -> list[Token]:
    tokens = [Token(form, "SCONJ") for form in _SUBORDINATORS[subordinator]]
    if subordinator == "before":
        return tokens + _clause(clause, _Setting(tense="sub"))
    return tokens + _clause(clause, _Setting(tense=_background(clause, subordinator, main=False)))


def _background(clause: Clause, subordinator: str, *, main: bool) -> str:
    """Return ``imp`` for a past clause after "pendant que", else an empty string."""
    return "imp" if subordinator == "while" and clause.tense == "past" and not main else ""


def _clause(clause: Clause, setting: _Setting = _MAIN) -> list[Token]:
    doer = clause.subject or Entity(3, False, "m")
    tense = setting.tense or _tense(clause)
    subject = setting.subject
    if subject is None:
        subject = [_IL] if clause.subject is None else _subject(clause.subject)
    finite, rest = _verbs(clause, doer, tense, setting.fronted)
    clitic = _clitic(clause.object)
    manner = [Token(clause.manner.french, "ADV")] if clause.manner else []
    tokens = [*subject]
    if clause.negation:
        tokens.append(Token("ne", "ADV", "Polarity=Neg"))
    if clause.there:
        tokens.append(Token("y", "PRON", "Person=3"))
    if not clause.modal:
        tokens += clitic
    tokens.append(finite)
    if clause.negation:
        tokens.append(Token("pas" if clause.negation == "not" else "jamais", "ADV", "Polarity=Neg"))
    if clause.frequency:
        tokens.append(Token(clause.frequency.french, "ADV"))
    early = bool(manner) and bool(rest) and manner[0].form in ("bien", "mal")
    tokens += manner if early else []
    if clause.modal:
        tokens += clitic
    tokens += rest
    return tokens + ([] if early else manner) + _after_verb(clause, doer)


def _tense(clause: Clause) -> str:
    """Return the French tense: ``pres``, ``fut``, ``imp`` (imperfect) or ``comp`` (passé composé)."""
    if clause.tense == "past":
        slow = clause.verb.stative or clause.verb is BE or clause.modal == "want"
        return "imp" if slow else "comp"
    return {"prog": "pres", "pastprog": "imp", "perf": "comp"}.get(clause.tense, clause.tense)


def _subject(entity: Entity) -> list[Token]:
    if not entity.is_pronoun:
        return say_entity(entity, _relative)
    key = (entity.person, entity.plural)
    form = ("elle" if entity.gender == "f" else "il") if key == (3, False) else _NOMINATIVE[key]
    return [_personal(form, entity, entity.person == 3)]


def _personal(form: str, entity: Entity, gendered: bool) -> Token:
    gender = {"m": "Masc", "f": "Fem"}[entity.gender] if gendered else ""
    number = "Plur" if entity.plural else "Sing"
    return Token(form, "PRON", feats(Gender=gender, Number=number, Person=str(entity.person), PronType="Prs"))


def _clitic(entity: Entity | None) -> list[Token]:
    if entity is None or not entity.is_pronoun:
        return []
    key = (entity.person, entity.plural)
    form = ("la" if entity.gender == "f" else "le") if key == (3, False) else _CLITICS[key]
    return [_personal(form, entity, key == (3, False))]


def _verbs(clause: Clause, doer: Entity, tense: str, fronted: Entity | None) -> tuple[Token, list[Token]]:
    """Return the finite verb, and the participle or infinitive that follows it, if any."""
    verb = clause.verb
    infinitive = "avoir" if clause.there else verb.french
    upos = "AUX" if verb is BE and not clause.there else "VERB"
    if clause.modal:
        return _finite(_MODALS[clause.modal], "VERB", tense, doer), [Token(infinitive, upos, "VerbForm=Inf")]
    if tense != "comp":
        return _finite(infinitive, upos, tense, doer), []
    auxiliary = "être" if verb.etre and verb is not BE else "avoir"
    agreeing = doer if auxiliary == "être" else fronted or (clause.object if _clitic(clause.object) else None)
    return _finite(auxiliary, "AUX", "pres", doer), [_participle(verb, upos, agreeing)]


def _participle(verb: Verb, upos: str, agreeing: Entity | None) -> Token:
    feminine = agreeing is not None and agreeing.gender == "f"
    plural = agreeing is not None and agreeing.plural
    features = feats(
        Gender="Fem" if feminine else "Masc", Number="Plur" if plural else "Sing", Tense="Past", VerbForm="Part"
    )
    return Token(participle(verb.french, feminine, plural), upos, features)


def _finite(infinitive: str, upos: str, tense: str, doer: Entity) -> Token:
    features = feats(
        Mood="Sub" if tense == "sub" else "Ind",
        Number="Plur" if doer.plural else "Sing",
        Person=str(doer.person),
        Tense={"imp": "Imp", "fut": "Fut"}.get(tense, "Pres"),
        VerbForm="Fin",
    )
    return Token(conjugate(infinitive, tense, doer.person, doer.plural), upos, features)


def _after_verb(clause: Clause, doer: Entity) -> list[Token]:
    tokens: list[Token] = []
    if clause.adjective:
        alone = replace(doer, determiner="", adjectives=(), relative=None)
        tokens += say_entity(alone, _relative, predicate=clause.adjective, very=clause.very)
    if clause.object and not _clitic(clause.object):
        tokens += say_entity(clause.object, _relative, denied=bool(clause.negation))
    if clause.recipient:
        tokens += [Token("à", "ADP"), *say_entity(clause.recipient, _relative)]
    if clause.simile:
        tokens += [Token("comme", "ADP"), *say_entity(clause.simile, _relative)]
    for place in (clause.company, clause.place):
        if place:
            tokens += _place(place, clause.verb)
    if clause.time:
        tokens += _time(clause.time)
    if clause.complement:
        shifted = clause.tense in ("past", "pastprog", "perf") and clause.complement.tense == "past"
        tokens += [_THAT, *_clause(clause.complement, _Setting(tense="imp" if shifted else ""))]
    return tokens


def _relative(entity: Entity) -> list[Token]:
    if entity.relative is None:
        return []
    clause = entity.relative.clause
    if entity.relative.of_subject:
        return _clause(clause, _Setting(subject=[Token("qui", "PRON", "PronType=Rel")]))
    return [
        Token("que", "PRON", "PronType=Rel"),
        *_clause(replace(clause, object=None), _Setting(fronted=clause.object)),
    ]


def _place(place: Place, verb: Verb) -> list[Token]:
    if place.adverb:
        return [Token(place.adverb.french, "ADV")]
    if place.preposition == "to":
        forms: tuple[str, ...] = ("à",) if verb.french in ("aller", "venir") else ("vers",)
    elif place.town:
        forms = ("à",) if place.preposition == "in" else ("de",)
    else:
        forms = _PREPOSITIONS[place.preposition]
    tokens = [Token(form, "ADV" if form == "près" else "ADP") for form in forms]
    if place.town:
        return [*tokens, Token(place.town.french, "PROPN", "Number=Sing")]
    if place.entity is None or not place.entity.is_pronoun:
        return tokens + (say_entity(place.entity, _relative) if place.entity else [])
    return [*tokens, strong_pronoun(place.entity)]


def _time(time: Time) -> list[Token]:
    if time.entity:
        return [
            Token("avant" if time.kind == "before" else "après", "ADP"),
            *say_entity(time.entity, _relative),
        ]
    if time.noun:
        article = Token("le", "DET", feats(Definite="Def", Gender="Masc", Number="Sing", PronType="Art"))
        return [article, Token(time.noun.french[0], "NOUN", "Gender=Masc|Number=Sing")]
    form = time.word.french if time.word else ""
    if time.kind == "adverb":
        return [Token(form, "ADV")]
    if time.kind == "hour":
        return [
            Token("à", "ADP"),
            Token(form, "NUM", "NumType=Card"),
            Token("heures", "NOUN", "Gender=Fem|Number=Plur"),
        ]
    name = Token(form, "NOUN", "Gender=Masc|Number=Sing")
    if time.kind == "month":
        return [Token("en", "ADP"), name]
    if time.kind == "every":
        return [Token("chaque", "DET", "Gender=Masc|Number=Sing|PronType=Tot"), name]
    return [name]
