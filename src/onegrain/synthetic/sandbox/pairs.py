"""Minimal pairs of the sandbox language: a sentence, and the same sentence with one property wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import takewhile

from onegrain.core.options import require_choice
from onegrain.errors import ParameterError
from onegrain.records.corpus import Corpus
from onegrain.records.minimal_pairs import ACCEPTABILITY, LABELS, PARADIGM
from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.french.sounds import starts_with_vowel
from onegrain.synthetic.sandbox.generate import SAY, require_sandbox, side_of
from onegrain.synthetic.sandbox.grammar import draw_sentence
from onegrain.synthetic.sandbox.meaning import Clause, Entity, Sentence
from onegrain.synthetic.sandbox.tokens import Token

__all__ = ["PROPERTIES", "sandbox_pairs"]

PROPERTIES = ("number", "tense", "gender")
"""What a pair of sentences can differ in."""

_OTHER_TENSE = {"past": "pres", "fut": "past", "pres": "past"}
_OTHER_GENDER = {"m": "f", "f": "m", "n": "m"}
_Pair = tuple[list[Token], list[Token]]


def sandbox_pairs(
    n_pairs: int,
    property: str = "number",
    *,
    seed: int = 0,
    language: str = "en",
    parallel: str | None = None,
) -> Corpus:
    """Generate minimal pairs of the sandbox language, which the grammar knows exactly.

    ``number``: the verb has the other number than its subject, a third person. ``tense``: the verb has another
    tense than the adverb of its sentence requires. ``gender`` (French and German): a noun with all that agrees
    with it has the other gender.

    The layers are those of :func:`sandbox`, with the labels that the words of a bad sentence have, and
    ``acceptability`` (``good`` and ``bad``) and ``paradigm``. With ``parallel``, the pairs are those of the
    parallel side, for translation models, and the two source sentences of a pair are equal.

    Args:
        n_pairs: number of pairs, 1 or more; all good sentences differ.
        property: ``number``, ``tense`` or ``gender``.
        seed: random seed, 0 or more.
        language: ``en``, ``fr`` or ``de``.
        parallel: the language of the parallel side; None for none.

    Returns:
        A corpus of 2 * ``n_pairs`` sentences: good and bad ones in turn.

    Raises:
        ParameterError: an unknown property or language, the same language twice, a property that the language
            does not mark, or an impossible number.

    >>> corpus = sandbox_pairs(3, "number")
    >>> corpus.n_sentences, corpus.layer("acceptability").vocabulary
    (6, ('bad', 'good'))
    """
    require_choice("property", property, PROPERTIES)
    require_sandbox(language, parallel, seed, n_pairs=n_pairs)
    contrasted = parallel or language
    if property == "gender" and contrasted == "en":
        raise ParameterError("no English word agrees with the gender of a noun; give fr or de")
    pairs = _draw(Dice(seed), n_pairs, _PAIRS[property], contrasted, language)
    name = f"sandbox_pairs({property}, seed={seed})"
    target = None
    if parallel is not None:
        target = _side([tokens for pair, _ in pairs for tokens in pair], property, parallel, name)
        return _side([source for _, source in pairs for _ in LABELS], property, language, name, target)
    return _side([tokens for pair, _ in pairs for tokens in pair], property, language, name)


def _draw(
    dice: Dice,
    count: int,
    make: Callable[[Sentence, str], _Pair | None],
    contrasted: str,
    language: str,
) -> list[tuple[_Pair, list[Token]]]:
    """Draw pairs in one language until there are enough, each with its good sentence in another."""
    pairs: list[tuple[_Pair, list[Token]]] = []
    seen: set[tuple[str, ...]] = set()
    while len(pairs) < count:
        meaning = draw_sentence(dice)
        pair = make(meaning, contrasted) if _simple(meaning) else None
        if pair is None or _forms(pair[0]) == _forms(pair[1]) or _forms(pair[0]) in seen:
            continue
        seen.add(_forms(pair[0]))
        pairs.append((pair, SAY[language](meaning)))
    return pairs


def _side(
    sentences: Sequence[Sequence[Token]], property: str, language: str, name: str, target: Corpus | None = None
) -> Corpus:
    layers = {
        ACCEPTABILITY: [[LABELS[number % 2]] * len(tokens) for number, tokens in enumerate(sentences)],
        PARADIGM: [[f"sandbox_{property}"] * len(tokens) for tokens in sentences],
    }
    return side_of(sentences, language, name, layers, target)


def _simple(sentence: Sentence) -> bool:
    """Return True for a statement of one clause whose first finite verb is that of the clause."""
    clause = sentence.clause
    subject = clause.subject
    one_clause = sentence.second is None and sentence.condition is None and clause.complement is None
    return sentence.mood == "statement" and one_clause and subject is not None and subject.relative is None


def _number_pair(sentence: Sentence, language: str) -> _Pair | None:
    """Return a sentence, and the same with the verb of a subject of the other number."""
    subject = sentence.clause.subject
    if subject is None or subject.person != 3 or _unmarked(subject, language):
        return None
    other = Entity(3, not subject.plural, "m")
    good = SAY[language](sentence)
    changed = SAY[language](replace(sentence, clause=replace(sentence.clause, subject=other)))
    place, verb = _finite(good), changed[_finite(changed)]
    if language == "fr" and starts_with_vowel(good[place].form) != starts_with_vowel(verb.form):
        return None  # the word before the verb would have to change as well
    return good, [*good[:place], verb, *good[place + 1 :]]


def _unmarked(subject: Entity, language: str) -> bool:
    """Return True for a subject that may be singular or plural: "the sheep", "annas lehrer", "sie"."""
    noun = subject.noun
    if subject.is_pronoun and language == "de":
        return subject.plural or subject.gender == "f"
    if noun is None or noun.mass:
        return False
    if language == "en":
        return noun.english[0] == noun.english[1]
    return language == "de" and subject.determiner == "owner" and noun.german[0] == noun.german[1]


def _finite(tokens: Sequence[Token]) -> int:
    """Return the place of the first finite verb."""
    return len(list(takewhile(lambda token: "VerbForm=Fin" not in token.feats.split("|"), tokens)))


def _tense_pair(sentence: Sentence, language: str) -> _Pair | None:
    """Return a sentence with an adverb that requires its tense, and the same in another tense."""
    clause = sentence.clause
    word = clause.time.word if clause.time is not None and clause.time.kind == "adverb" else None
    if word is None or word.when != clause.tense or clause.modal:
        return None
    changed = replace(clause, tense=_OTHER_TENSE[clause.tense])
    return SAY[language](sentence), SAY[language](replace(sentence, clause=changed))


def _gender_pair(sentence: Sentence, language: str) -> _Pair | None:
    """Return a sentence, and the same in which a noun has the other gender."""
    clause = sentence.clause
    for role in ("subject", "object"):
        entity: Entity | None = getattr(clause, role)
        if entity is not None and entity.noun is not None and entity.relative is None:
            other = {role: _other_gender(entity, language)}
            changed: Clause = replace(clause, **other)  # type: ignore[arg-type]
            return SAY[language](sentence), SAY[language](replace(sentence, clause=changed))
    return None


def _other_gender(entity: Entity, language: str) -> Entity:
    assert entity.noun is not None
    if language == "de":
        noun = replace(entity.noun, german_gender=_OTHER_GENDER[entity.noun.german_gender])
        return replace(entity, noun=noun)
    gender = _OTHER_GENDER[entity.gender]
    return replace(entity, gender=gender, noun=replace(entity.noun, french_gender=gender))


def _forms(tokens: Sequence[Token]) -> tuple[str, ...]:
    return tuple(token.form for token in tokens)


_PAIRS: dict[str, Callable[[Sentence, str], _Pair | None]] = {
    "number": _number_pair,
    "tense": _tense_pair,
    "gender": _gender_pair,
}
