from __future__ import annotations

import numpy as np

from onegrain.records.corpus import Corpus
from onegrain.records.leakage import leakage_cautions, measure_leakage

TRAIN = Corpus.from_sentences([["The", "dog", "barks"], ["a", "cat"], ["left", "out"]])
TEST = Corpus.from_sentences([["a", "Cat"], ["the", "bird", "left"], ["b"]])


def test_types_and_sentences_that_were_trained_on_are_counted() -> None:
    leakage = measure_leakage(TRAIN, np.array([0, 1]), TEST, np.arange(3))
    assert leakage == {"known_types": 3 / 6, "known_sentences": 1 / 3, "chosen_on_tested": False}
    assert measure_leakage(TRAIN, np.arange(3), TEST, np.array([1]))["known_types"] == 2 / 3


def test_each_kind_has_a_sentence_and_nothing_has_none() -> None:
    assert leakage_cautions(None) == []
    nothing = measure_leakage(TRAIN, np.array([0]), TEST, np.array([2]))
    assert leakage_cautions(nothing) == []
    texts = leakage_cautions(measure_leakage(TRAIN, np.arange(3), TEST, np.arange(3), chosen=True))
    assert len(texts) == 3
    assert texts[0].startswith("Beware: 33.3 % of the tested sentences are also training sentences")
    assert texts[1].startswith("66.7 % of the tested words are of types that were trained on")
