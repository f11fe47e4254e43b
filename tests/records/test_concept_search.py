"""The record of a search: its order, its facts, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onegrain.errors import RecordError
from support.records import concept_search


def test_neurons_without_a_value_come_last_and_equal_ones_by_index() -> None:
    record = concept_search()
    assert record.order().tolist() == [4, 2, 1, 0, 3]
    tied = replace(record, auroc=np.array([0.6, 0.9, 0.9, np.nan, 0.6]))
    assert tied.order().tolist() == [1, 2, 0, 4, 3]
    assert tied.top(2) == ["layers.0:1", "layers.0:2"]
    signed = replace(record, standardised_difference=np.array([-3.0, 2, 1, np.nan, 0]))
    assert signed.order("standardised_difference").tolist() == [0, 1, 2, 4, 3]


def test_the_facts_name_the_concept_and_the_best_neuron() -> None:
    summary = concept_search().summary()
    assert (summary["concept"], summary["best neuron"]) == ("upos=NOUN", "layers.1:1")
    assert (summary["words"], summary["other words"]) == (3, 6)
    long = replace(concept_search().concept, kind="words", value="word " * 50)
    assert len(long.describe()) == 100


def test_measures_of_another_size_or_kind_are_refused() -> None:
    with pytest.raises(RecordError, match=r"p of shape \(4,\) for 5 neurons"):
        replace(concept_search(), p=np.zeros(4))
    with pytest.raises(RecordError, match="one of words, regex, label"):
        replace(concept_search(), concept=replace(concept_search().concept, kind="spell"))
