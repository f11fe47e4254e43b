from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from onegrain.analyses.questions.localisation import (
    effective_number,
    gini,
    localisation,
    mass_curves,
    open_against_closed,
)
from onegrain.errors import LabelError, ParameterError

masses = st.lists(st.floats(0, 1e3), min_size=2, max_size=30).filter(lambda values: sum(values) > 1e-3)


@given(masses)
def test_against_scipy_and_a_naive_gini(values: list[float]) -> None:
    mass = np.array(values)
    assert effective_number(mass) == pytest.approx(np.exp(entropy(mass)))
    naive = sum(abs(a - b) for a in values for b in values) / (2 * len(values) ** 2 * mass.mean())
    assert gini(mass) == pytest.approx(naive, abs=1e-9)


def test_planted_localised_and_distributed_labels(make) -> None:
    scores = np.zeros((3, 100))
    scores[0, :50] = 2.0
    scores[1, 7] = 1.0
    details = {"train": {"label_words": {"NOUN": 9}}}
    table = localisation(make(scores, ("NOUN", "DET", "PUNCT"), details=details))
    noun, det, punct = (table.iloc[row] for row in range(3))
    assert noun["effective"] == pytest.approx(50)
    assert noun["effective_share"] == pytest.approx(0.5)
    assert (noun["neurons_25"], noun["neurons_50"], noun["neurons_90"], noun["words"]) == (13, 25, 45, 9)
    assert det["effective"] == pytest.approx(1)
    assert det["gini"] == pytest.approx(0.99)
    assert table["word_class"].tolist() == ["open", "closed", "other"]
    assert np.isnan(punct["effective"])
    assert (punct["neurons_90"], punct["words"]) == (0, None)
    means = open_against_closed(table).set_index("word_class")
    assert list(means.index) == ["open", "closed"]
    assert means.loc["open", "effective"] == pytest.approx(50)


def test_prefixes_against_a_loop(random_ranking) -> None:
    table = localisation(random_ranking)
    for scores, row in zip(random_ranking.label_scores, table.itertuples(), strict=True):
        total, held, count = scores.sum(), 0.0, 0
        for value in sorted(scores, reverse=True):
            held, count = held + value, count + 1
            if held >= 0.9 * total:
                break
        assert row.neurons_90 == count
        assert row.nonzero == np.count_nonzero(scores)


def test_permuting_neurons_changes_nothing(random_ranking, permute) -> None:
    places = np.random.default_rng(1).permutation(60)
    first, second = localisation(random_ranking), localisation(permute(random_ranking, places))
    assert first[["neurons_50", "neurons_90"]].equals(second[["neurons_50", "neurons_90"]])
    np.testing.assert_allclose(first["effective"], second["effective"])


def test_mass_curves_rise_to_one(random_ranking) -> None:
    for _, part in mass_curves(random_ranking, 10).groupby("label"):
        assert part["neurons"].is_monotonic_increasing
        assert part["share"].is_monotonic_increasing
        assert part["share"].iloc[-1] == pytest.approx(1)


def test_refusals(random_ranking, make) -> None:
    with pytest.raises(ParameterError, match="at least 2"):
        mass_curves(random_ranking, 1)
    with pytest.raises(ParameterError, match="no weight mass"):
        localisation(make(np.array([[np.inf, 1.0]]), ("a",)))
    with pytest.raises(LabelError, match="supervised"):
        localisation(replace(random_ranking, labels=(), label_scores=None))


def test_unknown_tag_set_has_no_open_or_closed(make) -> None:
    table = localisation(make(np.ones((2, 3)), ("happy", "sad")), {"happy": 3})
    assert table["word_class"].tolist() == [None, None]
    assert table["words"].tolist() == [3, None]
    assert len(open_against_closed(table)) == 0
