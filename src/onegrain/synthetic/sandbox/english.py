"""Turn sandbox meanings into English, with Penn tags, features and supersenses as in UD English-EWT."""

from __future__ import annotations

from dataclasses import replace

from onegrain.synthetic.sandbox.lexicon.verbs import BE, WANT
from onegrain.synthetic.sandbox.meaning import Clause, Entity, Place, Sentence, Time
from onegrain.synthetic.sandbox.tokens import Token, feats

__all__ = ["say_english"]

_PRESENT_BE = {(1, False): "am", (3, False): "is"}
_NOMINATIVE = {(1, False): "i", (2, False): "you", (1, True): "we", (3, True): "they"}
_ACCUSATIVE = {(1, False): "me", (2, False): "you", (1, True): "us", (3, True): "them"}
_POSSESSIVES = {
    "my": ("Sing", "1", ""), "your": ("", "2", ""), "his": ("Sing", "3", "Masc"), "her": ("Sing", "3", "Fem"),
    "our": ("Plur", "1", ""), "their": ("Plur", "3", ""),
}  # fmt: skip
_SENSES = {
    "in": "p.Locus", "on": "p.Locus", "under": "p.Locus", "behind": "p.Locus", "near": "p.Locus",
    "to": "p.Goal", "from": "p.Source", "with": "p.Accompanier", "without": "p.Accompanier",
    "for": "p.Beneficiary",
}  # fmt: skip
_QUESTION = {
    "what": Token("what", "PRON", "PronType=Int", "WP"), "where": Token("where", "ADV", "PronType=Int", "WRB"),
    "when": Token("when", "ADV", "PronType=Int", "WRB"), "why": Token("why", "ADV", "PronType=Int", "WRB"),
}  # fmt: skip
_WHO = Token("who", "PRON", "PronType=Int", "WP")
_COMMA = Token(",", "PUNCT", xpos=",")
_PERIOD = Token(".", "PUNCT", xpos=".")
_MARK = Token("?", "PUNCT", xpos=".")
_TO = Token("to", "PART", xpos="TO")
_IT = Token("it", "PRON", feats(Case="Nom", Gender="Neut", Number="Sing", Person="3", PronType="Prs"), "PRP")


def say_english(sentence: Sentence) -> list[Token]:
    """Return the sentence as lower-case English tokens, with the final punctuation mark."""
    tokens = _join(sentence)
    tokens.append(_PERIOD if sentence.mood == "statement" else _MARK)
    for index, token in enumerate(tokens):
        if token.xpos == "DT" and token.form == "a" and tokens[index + 1].form[0] in "aeiou":
            tokens[index] = token._replace(form="an")
    return tokens


def _join(sentence: Sentence) -> list[Token]:
    clause = sentence.clause
    if sentence.mood == "who":
        return _clause(clause, subject=[_WHO])
    if sentence.mood != "statement":
        question_word = [_QUESTION[sentence.mood]] if sentence.mood in _QUESTION else []
        return question_word + _clause(clause, inverted=True)
    if sentence.time_first and clause.time:
        return [*_time(clause.time), _COMMA, *_clause(replace(clause, time=None))]
    tokens = _clause(clause)
    if sentence.second:
        conjunction = Token(sentence.conjunction, "CCONJ", xpos="CC")
        return [*tokens, conjunction, *_clause(sentence.second)]
    if sentence.condition:
        tag = "WRB" if sentence.subordinator == "when" else "IN"
        condition = [Token(sentence.subordinator, "SCONJ", xpos=tag), *_clause(sentence.condition)]
        return [*condition, _COMMA, *tokens] if sentence.condition_first else [*tokens, *condition]
    return tokens


def _clause(clause: Clause, *, inverted: bool = False, subject: list[Token] | None = None) -> list[Token]:
    """Return the tokens of a clause; ``subject`` replaces its subject: a relative pronoun, or "who"."""
    doer = clause.object if clause.there else clause.subject
    plural, person = (doer.plural, doer.person) if doer else (False, 3)
    if subject is None:
        subject = _subject(clause)
    first, rest = _verbs(clause, plural, person, inverted)
    adverb = [Token("never", "ADV", xpos="RB")] if clause.negation == "never" else []
    if clause.frequency:
        adverb = [Token(clause.frequency.english, "ADV", xpos="RB")]
    negation = [Token("not", "PART", "Polarity=Neg", "RB")] if clause.negation == "not" else []
    if inverted:
        tokens = [first, *subject, *negation, *adverb, *rest]
    elif first.upos == "AUX" or clause.verb is BE:
        tokens = [*subject, first, *negation, *adverb, *rest]
    else:
        tokens = [*subject, *adverb, first, *rest]
    return tokens + _after_verb(clause)


def _subject(clause: Clause) -> list[Token]:
    if clause.there:
        return [Token("there", "PRON", xpos="EX")]
    return [_IT] if clause.subject is None else _entity(clause.subject, nominative=True)


def _verbs(clause: Clause, plural: bool, person: int, inverted: bool) -> tuple[Token, list[Token]]:
    """Return the finite verb, and the non-finite forms that follow it."""
    verb, tense = clause.verb, clause.tense
    infinitive = Token(verb.english[0], _upos(clause), "VerbForm=Inf", "VB", verb.sense)
    if clause.modal in ("can", "may", "must"):
        return Token(clause.modal, "AUX", "VerbForm=Fin", "MD"), [infinitive]
    if tense == "fut":
        return Token("will", "AUX", "VerbForm=Fin", "MD"), [
            infinitive if verb is not BE else _be_infinitive(clause)
        ]
    if tense == "perf":
        participle = Token(
            verb.english[3], _upos(clause), feats(Tense="Past", VerbForm="Part"), "VBN", verb.sense
        )
        has = "has" if person == 3 and not plural else "have"
        return _finite(has, "AUX", "pres", plural, person, ""), [participle]
    if tense in ("prog", "pastprog"):
        participle = Token(verb.english[4], "VERB", feats(Tense="Pres", VerbForm="Part"), "VBG", verb.sense)
        simple = "pres" if tense == "prog" else "past"
        return _finite(_be(simple, plural, person), "AUX", simple, plural, person, ""), [participle]
    if verb is BE:
        return _finite(_be(tense, plural, person), _upos(clause), tense, plural, person, verb.sense), []
    rest = [infinitive]
    if clause.modal == "want":
        verb, rest = WANT, [_TO, infinitive]
    if inverted or clause.negation == "not":
        if verb is WANT:
            rest = [Token("want", "VERB", "VerbForm=Inf", "VB", verb.sense), *rest]
        do = "did" if tense == "past" else "does" if person == 3 and not plural else "do"
        return _finite(do, "AUX", tense, plural, person, ""), rest
    form = verb.english[2] if tense == "past" else verb.english[1 if person == 3 and not plural else 0]
    return _finite(form, "VERB", tense, plural, person, verb.sense), rest if verb is WANT else []


def _upos(clause: Clause) -> str:
    return "AUX" if clause.verb is BE and not clause.there else "VERB"


def _be_infinitive(clause: Clause) -> Token:
    return Token("be", _upos(clause), "VerbForm=Inf", "VB", BE.sense)


def _be(tense: str, plural: bool, person: int) -> str:
    if tense == "past":
        return "was" if not plural and person != 2 else "were"
    return _PRESENT_BE.get((person, plural), "are")


def _finite(form: str, upos: str, tense: str, plural: bool, person: int, sense: str) -> Token:
    number = "Plur" if plural else "Sing"
    if tense == "past":
        features = feats(Mood="Ind", Number=number, Person=str(person), Tense="Past", VerbForm="Fin")
        return Token(form, upos, features, "VBD", sense)
    features = feats(Mood="Ind", Number=number, Person=str(person), Tense="Pres", VerbForm="Fin")
    return Token(form, upos, features, "VBZ" if person == 3 and not plural else "VBP", sense)


def _after_verb(clause: Clause) -> list[Token]:
    tokens: list[Token] = []
    if clause.adjective:
        tokens += _very(clause.very)
        tokens.append(Token(clause.adjective.english, "ADJ", "Degree=Pos", "JJ"))
    if clause.object:
        tokens += _entity(clause.object)
    if clause.recipient:
        tokens += [Token("to", "ADP", xpos="IN", sense="p.Recipient"), *_entity(clause.recipient)]
    if clause.manner:
        tokens.append(Token(clause.manner.english, "ADV", xpos="RB"))
    if clause.simile:
        tokens += [Token("like", "ADP", xpos="IN", sense="p.ComparisonRef"), *_entity(clause.simile)]
    for place in (clause.company, clause.place):
        if place:
            tokens += _place(place)
    if clause.time:
        tokens += _time(clause.time)
    if clause.complement:
        tokens += [Token("that", "SCONJ", xpos="IN"), *_clause(clause.complement)]
    return tokens


def _very(very: bool) -> list[Token]:
    return [Token("very", "ADV", xpos="RB")] if very else []


def _entity(entity: Entity, *, nominative: bool = False) -> list[Token]:
    if entity.pair:
        first, second = entity.pair
        return [*_entity(first), Token("and", "CCONJ", xpos="CC"), *_entity(second)]
    if entity.name:
        return [Token(entity.name.form, "PROPN", "Number=Sing", "NNP", "n.PERSON")]
    if entity.noun is None:
        return [_pronoun(entity, nominative)]
    tokens = _determiner(entity)
    tokens += _very(entity.very)
    tokens += [Token(adjective.english, "ADJ", "Degree=Pos", "JJ") for adjective in entity.adjectives]
    number, tag = ("Plur", "NNS") if entity.plural else ("Sing", "NN")
    noun = entity.noun
    tokens.append(Token(noun.english[entity.plural], "NOUN", f"Number={number}", tag, noun.sense))
    if entity.relative:
        tokens += _relative(entity)
    return tokens


def _relative(entity: Entity) -> list[Token]:
    assert entity.relative is not None
    clause = entity.relative.clause
    if entity.relative.of_subject:
        pronoun = ("who", "WP") if entity.relative.who else ("that", "WDT")
        return _clause(clause, subject=[Token(pronoun[0], "PRON", "PronType=Rel", pronoun[1])])
    return [Token("that", "PRON", "PronType=Rel", "WDT"), *_clause(replace(clause, object=None))]


def _pronoun(entity: Entity, nominative: bool) -> Token:
    key = (entity.person, entity.plural)
    if key == (3, False):
        form = {"m": ("him", "he"), "f": ("her", "she")}[entity.gender][nominative]
        gender = "Masc" if entity.gender == "m" else "Fem"
    else:
        form, gender = (_NOMINATIVE if nominative else _ACCUSATIVE)[key], ""
    features = feats(
        Case="Nom" if nominative else "Acc",
        Gender=gender,
        Number="Plur" if entity.plural else "Sing",
        Person=str(entity.person),
        PronType="Prs",
    )
    return Token(form, "PRON", features, "PRP")


def _determiner(entity: Entity) -> list[Token]:
    kind = entity.determiner
    if kind == "number" and entity.numeral:
        return [Token(entity.numeral.english, "NUM", feats(NumForm="Word", NumType="Card"), "CD")]
    if kind == "owner" and entity.owner:
        owner = Token(entity.owner.form, "PROPN", "Number=Sing", "NNP", "n.PERSON")
        return [owner, Token("'s", "PART", xpos="POS")]
    if kind in _POSSESSIVES:
        number, person, gender = _POSSESSIVES[kind]
        features = feats(Case="Gen", Gender=gender, Number=number, Person=person, Poss="Yes", PronType="Prs")
        return [Token(kind, "PRON", features, "PRP$")]
    if kind in ("this", "that"):
        form = {"this": "these", "that": "those"}[kind] if entity.plural else kind
        features = feats(Number="Plur" if entity.plural else "Sing", PronType="Dem")
        return [Token(form, "DET", features, "DT")]
    features = {
        "the": feats(Definite="Def", PronType="Art"),
        "a": feats(Definite="Ind", PronType="Art"),
        "every": feats(PronType="Tot"),
        "some": feats(PronType="Ind"),
    }.get(kind, "")
    return [Token(kind, "DET", features, "DT")] if kind else []


def _place(place: Place) -> list[Token]:
    if place.adverb:
        return [Token(place.adverb.english, "ADV", xpos="RB")]
    tokens = [Token(place.preposition, "ADP", xpos="IN", sense=_SENSES[place.preposition])]
    if place.town:
        return [*tokens, Token(place.town.english, "PROPN", "Number=Sing", "NNP", "n.LOCATION")]
    return tokens + (_entity(place.entity) if place.entity else [])


def _time(time: Time) -> list[Token]:
    if time.kind in ("before", "after") and time.entity:
        return [Token(time.kind, "ADP", xpos="IN", sense="p.Time"), *_entity(time.entity)]
    if time.noun:
        noun = Token(time.noun.english[0], "NOUN", "Number=Sing", "NN", time.noun.sense)
        return [_preposition("in"), Token("the", "DET", feats(Definite="Def", PronType="Art"), "DT"), noun]
    form = time.word.english if time.word else ""
    if time.kind == "hour":
        hour = Token(form, "NUM", feats(NumForm="Word", NumType="Card"), "CD", "n.TIME")
        return [_preposition("at"), hour, Token("o'clock", "ADV", xpos="RB")]
    if time.kind == "adverb":
        if form in ("now", "soon"):
            return [Token(form, "ADV", xpos="RB")]
        return [Token(form, "NOUN", "Number=Sing", "NN", "n.TIME")]
    name = Token(form, "PROPN", "Number=Sing", "NNP", "n.TIME")
    if time.kind == "every":
        return [Token("every", "DET", "PronType=Tot", "DT"), name]
    return [_preposition("in" if time.kind == "month" else "on"), name]


def _preposition(form: str) -> Token:
    return Token(form, "ADP", xpos="IN", sense="p.Time")
