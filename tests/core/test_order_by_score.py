"""The order that scores make: of known scores, of equal ones, and of neurons without any."""

from __future__ import annotations

import numpy as np

from onegrain.core.ordering import order_by_score, shuffled_places
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.space import NeuronSpace


def test_scores_descend_and_what_has_none_comes_last() -> None:
    scores = np.array([1.0, np.nan, np.inf, -np.inf, 1.0, -0.0, 0.0, np.nan])
    order = order_by_score(scores)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(8))
    assert order[0] == 2
    assert set(order[1:3]) == {0, 4}
    assert set(order[3:5]) == {5, 6}
    assert order[5] == 3
    assert set(order[6:]) == {1, 7}


def test_equal_scores_stand_in_an_order_of_the_seed_and_never_by_index() -> None:
    for scores in (np.zeros(500), np.full(500, np.nan)):
        first, again, other, named = (
            order_by_score(scores, seed, stream=stream).tolist()
            for seed, stream in ((7, ""), (7, ""), (8, ""), (7, "NOUN"))
        )
        assert first == again
        assert len({tuple(order) for order in (first, other, named)}) == 3
        for order in (first, other, named):
            assert abs(np.corrcoef(order, np.arange(500))[0, 1]) < 0.15


def test_permuting_the_neurons_permutes_the_order_up_to_equal_scores() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 30, 200).astype(np.float64)
    scores[rng.random(200) < 0.1] = np.nan
    moved = rng.permutation(200)
    permuted, plain = scores[moved][order_by_score(scores[moved])], scores[order_by_score(scores)]
    np.testing.assert_array_equal(permuted, plain)


def test_a_second_key_parts_equal_scores_before_the_seed_does() -> None:
    scores, then = np.array([0.0, 0.0, 2.0, 0.0, 0.0]), np.array([0.1, 0.3, 0.0, np.nan, 0.3])
    order = order_by_score(scores, 5, then=then)
    places = shuffled_places(5, 5)
    assert order.tolist() == [2, *sorted([1, 4], key=lambda neuron: places[neuron]), 0, 3]


def test_the_order_of_a_label_follows_slopes_and_survives_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(1)
    weights = np.zeros((2, 40))
    weights[:, :4] = rng.normal(size=(2, 4))
    slopes = rng.random((2, 40))
    ranking = Ranking.by_scores(
        "lca", NeuronSpace(("layers.0",), (40,)), np.abs(weights).max(axis=0), Provenance(stage="rank", seed=3),
        layer="upos", labels=("A", "B"), label_scores=np.abs(weights), weights=weights, slopes=slopes,
    )  # fmt: skip
    ranking.save(tmp_path / "r.parquet")
    for record in (ranking, Ranking.load(tmp_path / "r.parquet")):
        for row, name in enumerate("AB"):
            part = record.label(name)
            assert part.n_ranked == 4
            assert (np.diff(part.scores[part.order]) <= 0.0).all()
            assert part.order[4:].tolist() == (4 + np.argsort(-slopes[row, 4:])).tolist()
