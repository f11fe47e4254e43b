"""Sandbox sentences in which one value of a property is exchanged for another, with both right translations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from onegrain.core.differences import word_differences
from onegrain.core.options import require_choice
from onegrain.records.corpus import Corpus, LabelLayer
from onegrain.records.value_change import ValueChange
from onegrain.synthetic.sandbox.dice import Dice
from onegrain.synthetic.sandbox.generate import build_corpus, require_sandbox
from onegrain.synthetic.sandbox.grammar import draw_sentence
from onegrain.synthetic.sandbox.meaning import Clause, Sentence

__all__ = ["VALUES", "sandbox_change"]

CHANGED = "changed"
"""The layer that labels the source words which the change would alter."""

NUMBERED = ("the", "my", "your", "his", "her", "our", "their", "this", "that", "owner")
"""Determiners that a noun has in both numbers."""

VALUES: dict[str, tuple[str, str]] = {
    "Tense": ("Past", "Pres"),
    "Number": ("Sing", "Plur"),
    "Gender": ("Masc", "Fem"),
}
"""The properties that can be changed, each with its two values: the tense of the verb, the number of a noun
that is the subject, and the gender of a pronoun (he, she) that is the subject."""


def sandbox_change(
    layer: str,
    value: str,
    sentences: int = 200,
    *,
    seed: int = 0,
    language: str = "en",
    parallel: str = "fr",
) -> ValueChange:
    """Generate sentences with one value of a property, with the translations of both values.

    Every sentence is one clause, and both it and its translation differ between the values. The words of a
    sentence that would change have the label ``yes`` in the layer ``changed``. No sentence occurs twice.

    Args:
        layer: ``Tense``, ``Number`` or ``Gender``, which is also a layer of sandbox text.
        value: the value that the sentences have: ``Past`` or ``Pres``, ``Sing`` or ``Plur``, ``Masc`` or
            ``Fem``; the other one is wanted.
        sentences: number of sentences.
        seed: random seed, 0 or more.
        language: the language of the sentences.
        parallel: the language of the translations.

    Raises:
        ParameterError: an unknown property, value or language, or an impossible number.

    >>> change = sandbox_change("Number", "Sing", 1)
    >>> change.wanted, change.expected.n_sentences
    ('Plur', 1)
    """
    require_choice("layer", layer, tuple(VALUES))
    require_choice("value", value, VALUES[layer])
    require_sandbox(language, parallel, seed, sentences=sentences)
    dice, pairs, known = Dice(seed), list[tuple[Sentence, Sentence]](), set[tuple[str, ...]]()
    while len(pairs) < sentences:
        drawn = draw_sentence(dice)
        changed = None if _is_complex(drawn) else _EXCHANGES[layer](drawn.clause, value)
        if changed is None:
            continue
        meanings = drawn, replace(drawn, clause=changed)
        before, after = (build_corpus([meaning], language, parallel, "sandbox") for meaning in meanings)
        assert before.target is not None
        assert after.target is not None
        if before.words in known or not any(_changed(before, after)) or before.target.same_words(after.target):
            continue
        known.add(before.words)
        pairs.append(meanings)
    return _change(pairs, layer, value, language, parallel, seed)


def _change(
    pairs: list[tuple[Sentence, Sentence]], layer: str, value: str, language: str, parallel: str, seed: int
) -> ValueChange:
    source = f"sandbox_change({layer}={value}, seed={seed})"
    before = build_corpus([pair[0] for pair in pairs], language, parallel, source)
    after = build_corpus([pair[1] for pair in pairs], language, parallel, source)
    labels = ["yes" if changed else None for changed in _changed(before, after)]
    first, second = VALUES[layer]
    return ValueChange(
        corpus=before.with_layer(LabelLayer.from_labels(CHANGED, labels)),
        layer=layer,
        value=value,
        wanted=second if value == first else first,
        words=f"{CHANGED}=yes",
        expected=after.target,
    )


def _changed(before: Corpus, after: Corpus) -> list[bool]:
    """Return for each word of a corpus whether the corpus with the other value has another in its place."""
    changed: list[bool] = []
    for words, others in zip(before.sentences(), after.sentences(), strict=True):
        for part in word_differences(words, others):
            changed += [part.changed] * len(part.before)
    return changed


def _is_complex(sentence: Sentence) -> bool:
    """Return True for sentences with several clauses, and for questions about a part of the clause."""
    clause = sentence.clause
    entities = (clause.subject, clause.object)
    return (
        sentence.mood not in ("statement", "yesno")
        or sentence.second is not None
        or sentence.condition is not None
        or clause.complement is not None
        or any(entity is not None and entity.relative is not None for entity in entities)
    )


def _with_tense(clause: Clause, value: str) -> Clause | None:
    """Return a clause in the other of past and present; None if its tense or time does not allow that."""
    tense, other = ("past", "pres") if value == "Past" else ("pres", "past")
    if clause.tense != tense or clause.modal:
        return None
    time = clause.time
    if time is not None and time.kind == "adverb" and (time.word is None or time.word.when != "any"):
        return None
    return replace(clause, tense=other)


def _with_number(clause: Clause, value: str) -> Clause | None:
    """Return a clause whose subject, a noun, has the other number; None if it cannot have it."""
    subject, plural = clause.subject, value == "Plur"
    if subject is None or clause.there or subject.noun is None or subject.noun.mass:
        return None
    if subject.plural != plural or subject.determiner not in NUMBERED:
        return None
    return replace(clause, subject=replace(subject, plural=not plural))


def _with_gender(clause: Clause, value: str) -> Clause | None:
    """Return a clause with she in the place of he or the reverse; None if its subject is neither."""
    subject, gender = clause.subject, "m" if value == "Masc" else "f"
    if subject is None or not subject.is_pronoun or (subject.person, subject.plural) != (3, False):
        return None
    if subject.gender != gender:
        return None
    return replace(clause, subject=replace(subject, gender="f" if gender == "m" else "m"))


_EXCHANGES: dict[str, Callable[[Clause, str], Clause | None]] = {
    "Tense": _with_tense,
    "Number": _with_number,
    "Gender": _with_gender,
}
