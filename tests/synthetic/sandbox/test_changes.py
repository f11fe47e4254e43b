"""Sandbox sentences in two values of a property: what differs, and nothing else."""

from __future__ import annotations

import pytest

from onegrain.core.differences import word_differences
from onegrain.errors import ParameterError
from onegrain.records.value_change import ValueChange
from onegrain.synthetic import sandbox, sandbox_change
from onegrain.synthetic.sandbox.changes import VALUES

CASES = [(layer, value) for layer, values in VALUES.items() for value in values]


@pytest.mark.parametrize(("layer", "value"), CASES)
@pytest.mark.parametrize("parallel", ["fr", "de"])
def test_the_words_that_change_have_the_value(layer: str, value: str, parallel: str) -> None:
    change = sandbox_change(layer, value, 40, seed=3, parallel=parallel)
    corpus, expected = change.corpus, change.expected
    assert corpus.target is not None
    assert expected is not None
    assert set(VALUES[layer]) == {value, change.wanted}
    assert len(set(corpus.sentences())) == corpus.n_sentences == expected.n_sentences == 40
    changed = corpus.layer("changed").labels()
    values = corpus.layer(layer).labels()
    assert {values[place] for place, label in enumerate(changed) if label == "yes"} == {value}
    for number in range(40):
        parts = word_differences(corpus.target.sentence(number), expected.sentence(number))
        assert any(part.changed for part in parts)


def both(change: ValueChange) -> list[tuple[tuple[str, ...], ...]]:
    """Return each sentence with its translation and the translation with the other value."""
    assert change.corpus.target is not None
    assert change.expected is not None
    sides = (change.corpus, change.corpus.target, change.expected)
    return list(zip(*(side.sentences() for side in sides), strict=True))


def test_known_sentences_change_as_grammar_says() -> None:
    was = [
        row
        for row in both(sandbox_change("Tense", "Past", 150, seed=1))
        if "was" in row[0] and "there" not in row[0]
    ]
    assert was
    assert all({"était", "étais"} & {*before} and {"est", "suis"} & {*wanted} for _, before, wanted in was)
    men = [row for row in both(sandbox_change("Number", "Sing", 150, seed=1)) if row[0][:2] == ("the", "man")]
    assert men
    assert all(before[:2] == ("l'", "homme") and wanted[:2] == ("les", "hommes") for _, before, wanted in men)
    for source, before, wanted in both(sandbox_change("Gender", "Masc", 60, seed=1)):
        assert ("he" in source, "il" in before, "elle" in wanted) == (True, True, True)


@pytest.mark.parametrize(("layer", "value"), [case for case in CASES if case[0] != "Tense"])
def test_the_changed_words_of_the_translation_have_the_wanted_value(layer: str, value: str) -> None:
    """Only ``ne`` and ``n'``, which follow the sound of the next word, have no value."""
    change = sandbox_change(layer, value, 60, seed=5)
    assert change.expected is not None
    labels = change.expected.layer(layer).labels()
    for number, (_, before, wanted) in enumerate(both(change)):
        place = int(change.expected.offsets[number])
        for part in word_differences(before, wanted):
            for word, label in zip(part.after, labels[place : place + len(part.after)], strict=True):
                assert not part.changed or label == change.wanted or word in ("ne", "n'")
            place += len(part.after)


def test_the_same_seed_gives_the_same_sentences() -> None:
    first, second = (sandbox_change("Tense", "Pres", count, seed=4) for count in (5, 8))
    assert list(first.corpus.sentences()) == list(second.corpus.sentences())[:5]
    assert first.corpus.layers.keys() - {"changed"} == sandbox(50, parallel="fr").layers.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("Person", "1"), "layer must be one of Tense, Number, Gender"),
        (("Number", "Dual"), "value must be one of Sing, Plur"),
        (("Number", "Sing", 0), "sentences must be 1 or more"),
    ],
)
def test_what_is_no_property_is_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        sandbox_change(*arguments)
    with pytest.raises(ParameterError, match="no sandbox language"):
        sandbox_change("Number", "Sing", parallel="xx")
