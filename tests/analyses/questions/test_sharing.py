from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, false_discovery_control, hypergeom

from onegrain.analyses.questions.sharing import sharing
from onegrain.analyses.questions.topsets import top_sets
from onegrain.errors import ParameterError


def test_against_plain_sets(random_ranking) -> None:
    result = sharing(random_ranking, 12)
    sets = [set(chosen.tolist()) for chosen in top_sets(random_ranking, 12)]
    labels = random_ranking.labels
    for row in result.pairs.itertuples():
        a, b = sets[labels.index(row.first)], sets[labels.index(row.second)]
        assert row.shared == len(a & b)
        assert (
            row.jaccard == pytest.approx(len(a & b) / len(a | b)) == result.jaccard.loc[row.first, row.second]
        )
        assert row.p == pytest.approx(hypergeom.sf(len(a & b) - 1, 60, 12, 12))
    np.testing.assert_allclose(result.pairs["q"], false_discovery_control(result.pairs["p"]))
    for row in result.neurons.itertuples():
        assert row.labels_n == sum(row.neuron in chosen for chosen in sets)
        assert row.labels.split(", ") == [
            n for n, chosen in zip(labels, sets, strict=True) if row.neuron in chosen
        ]


def test_chance_distribution_is_binomial_for_equal_sets(random_ranking) -> None:
    table = sharing(random_ranking, 12).distribution
    np.testing.assert_allclose(table["expected"], 60 * binom.pmf(np.arange(5), 4, 12 / 60))
    assert table["neurons"].sum() == 60
    assert (table["labels_n"] * table["neurons"]).sum() == 4 * 12


def test_planted_shared_neuron_and_twin_labels(make) -> None:
    scores = np.zeros((3, 50))
    scores[0, :5] = scores[1, :5] = 1.0
    scores[2, 20:25] = 1.0
    scores[:, 4] = 2.0
    result = sharing(make(scores, ("a", "b", "c")), 5)
    assert result.neurons.iloc[0][["neuron", "labels_n", "name"]].tolist() == [4, 3, "layers.0:4"]
    assert result.jaccard.loc["a", "b"] == 1.0
    best = result.pairs.sort_values("q").iloc[0]
    assert (best["first"], best["second"]) == ("a", "b")
    assert best["q"] < 1e-4
    assert result.pairs["p"].max() > 0.05


def test_among_ranked_is_the_stricter_comparison(make) -> None:
    scores = np.zeros((2, 100))
    scores[0, :6] = scores[1, 3:9] = 1.0
    ranking = make(scores, ("a", "b"))
    wide, strict = sharing(ranking, 6), sharing(ranking, 6, among="ranked")
    assert (wide.universe, strict.universe) == (100, 9)
    assert strict.pairs["p"].iloc[0] > wide.pairs["p"].iloc[0]
    assert strict.distribution["neurons"].tolist() == [0, 6, 3]
    np.testing.assert_allclose(strict.distribution["expected"], 9 * binom.pmf(np.arange(3), 2, 6 / 9))


def test_permuting_neurons_renumbers_them(random_ranking, permute) -> None:
    places = np.random.default_rng(2).permutation(60)
    first, second = sharing(random_ranking, 9), sharing(permute(random_ranking, places), 9)
    assert first.pairs.equals(second.pairs)
    assert dict(zip(first.neurons["neuron"], first.neurons["labels"], strict=True)) == dict(
        zip(places[second.neurons["neuron"]], second.neurons["labels"], strict=True)
    )


def test_neurons_of_as_many_labels_stand_in_the_order_of_the_ranking(random_ranking) -> None:
    result = sharing(random_ranking, 12).neurons
    for _, rows in result.groupby("labels_n"):
        assert (np.diff(random_ranking.positions()[rows["neuron"]]) > 0).all()
    assert (np.diff(result["labels_n"]) <= 0).all()


def test_one_label_and_a_label_without_weight(make) -> None:
    assert len(sharing(make(np.ones((1, 3)), ("a",))).pairs) == 0
    result = sharing(make(np.array([[1.0, 0], [0, 0]]), ("a", "b")))
    assert result.sizes == {"a": 1, "b": 0}
    assert np.isnan(result.jaccard.loc["b", "b"])


def test_refuses_an_unknown_universe(random_ranking) -> None:
    with pytest.raises(ParameterError, match="'all' or 'ranked'"):
        sharing(random_ranking, among="some")
