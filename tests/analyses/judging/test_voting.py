"""NeuronVote and rank correlations: against naive counts, on equal and opposite rankings, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from onegrain.analyses import agreement, neuron_vote, rank_agreement, vote_agreement
from onegrain.core.ordering import shuffled_places
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.provenance import ModelIdentity, Provenance
from onegrain.records.ranking import Ranking


def some(make, seed: int = 0, neurons: int = 40, unranked: int = 6) -> dict[str, Ranking]:
    """Three rankings without labels, each with neurons that it does not rank."""
    rng = np.random.default_rng(seed)
    rankings_by_name = {}
    for name in ("x", "y", "z"):
        scores = rng.permutation(np.arange(1.0, neurons + 1))
        scores[rng.permutation(neurons)[:unranked]] = 0.0
        rankings_by_name[name] = replace(make(scores[None], ("a",)), labels=(), label_scores=None)
    return rankings_by_name


def naive_points(rankings: dict[str, Ranking], ballots: int) -> dict[int, int]:
    points: dict[int, int] = {}
    for ranking in rankings.values():
        for place, neuron in enumerate(ranking.order[: ranking.n_ranked].tolist()):
            if place < ballots:
                points[neuron] = points.get(neuron, 0) + ballots - place
    return points


@pytest.mark.parametrize("ballots", [3, 10, 100])
def test_points_against_a_plain_count(make, ballots: int) -> None:
    rankings = some(make)
    vote = neuron_vote(rankings, ballots)
    points = naive_points(rankings, ballots)
    places = shuffled_places(vote.space.size)
    assert vote.order[: vote.n_ranked].tolist() == sorted(points, key=lambda n: (-points[n], places[n]))
    assert {n: vote.scores[n] for n in points} == points
    assert vote.scores.sum() == sum(points.values())
    assert (vote.method, vote.details["voters"]) == ("neuron-vote", dict.fromkeys("xyz", "lca"))


def test_equal_rankings_elect_themselves(make) -> None:
    ranking = some(make)["x"]
    vote = neuron_vote({"a": ranking, "b": ranking}, 100)
    assert vote.order.tolist() == ranking.order.tolist()
    assert vote.n_ranked == ranking.n_ranked
    assert vote_agreement({"a": ranking, "b": ranking}, 5)["vote_overlap"].tolist() == [1.0, 1.0]


def test_agreement_with_the_others_and_with_all(make) -> None:
    rankings = some(make)
    for own_vote in (False, True):
        overlaps = vote_agreement(rankings, 8, ballots=10, own_vote=own_vote).set_index("ranking")[
            "vote_overlap"
        ]
        for name, ranking in rankings.items():
            voters = rankings if own_vote else {n: r for n, r in rankings.items() if n != name}
            points = naive_points(voters, 10)
            elected = set(sorted(points, key=lambda n: (-points[n], n))[:8])
            top_set = set(ranking.order[:8].tolist())
            assert overlaps[name] == pytest.approx(len(top_set & elected) / len(top_set | elected))


def test_judges_vote_and_the_others_do_not(make) -> None:
    rankings = some(make)
    overlap_by_name = vote_agreement(rankings, 8, judges=["x", "y"]).set_index("ranking")["vote_overlap"]
    pair = {name: rankings[name] for name in ("x", "y")}
    alone = vote_agreement(pair, 8).set_index("ranking")["vote_overlap"]
    assert overlap_by_name[["x", "y"]].tolist() == alone.tolist()
    overlaps = agreement(rankings, 8, judges=["x"]).set_index("ranking")["average_overlap"]
    tops = {name: set(ranking.order[:8].tolist()) for name, ranking in rankings.items()}
    assert np.isnan(overlaps["x"])
    for name in ("y", "z"):
        assert overlaps[name] == pytest.approx(len(tops["x"] & tops[name]) / len(tops["x"] | tops[name]))


def test_each_label_has_a_vote_of_its_own(make) -> None:
    rng = np.random.default_rng(2)
    rankings = {name: make(rng.random((2, 12)), ("a", "b")) for name in ("x", "y")}
    vote = neuron_vote(rankings, 5)
    for label in ("a", "b"):
        label_vote = neuron_vote({name: ranking.label(label) for name, ranking in rankings.items()}, 5)
        assert vote.label(label).scores.tolist() == label_vote.scores.tolist()
    other = {**rankings, "z": make(rng.random((2, 12)), ("a", "c"))}
    assert neuron_vote(other, 5).labels == ()


def test_numbering_the_neurons_differently_moves_the_vote_along(make, permute) -> None:
    rng = np.random.default_rng(4)
    rankings = {name: make(rng.random((1, 20)), ("a",)) for name in ("x", "y")}
    places = rng.permutation(20)
    moved = neuron_vote({name: permute(ranking, places) for name, ranking in rankings.items()})
    np.testing.assert_array_equal(moved.scores, neuron_vote(rankings).scores[places])


def test_rank_correlations_against_scipy_with_unranked_neurons_tied(make) -> None:
    rankings = some(make)
    agreement = rank_agreement(rankings).set_index(["first", "second"])

    def ranks(ranking: Ranking) -> np.ndarray:
        values = np.full(40, -1.0)
        for place, neuron in enumerate(ranking.order[: ranking.n_ranked]):
            values[neuron] = 40 - place
        return values

    for first, second in (("x", "y"), ("x", "z"), ("y", "z")):
        pair = ranks(rankings[first]), ranks(rankings[second])
        assert agreement.loc[(first, second), "spearman"] == pytest.approx(stats.spearmanr(*pair).statistic)
        assert agreement.loc[(first, second), "kendall"] == pytest.approx(stats.kendalltau(*pair).statistic)


def test_opposite_rankings_correlate_negatively_and_one_without_ranks_not_at_all(make) -> None:
    up = make(np.arange(1.0, 21.0)[None], ("a",))
    down = make(np.arange(20.0, 0.0, -1)[None], ("a",))
    none = make(np.zeros((1, 20)), ("a",))
    agreement = rank_agreement({"up": up, "down": down, "none": none}).set_index(["first", "second"])
    assert agreement.loc[("up", "down")].tolist() == [-1.0, -1.0]
    assert agreement.loc[("up", "none")].isna().all()


def test_refusals(make) -> None:
    rankings = some(make)
    with pytest.raises(ParameterError, match="no ranking to vote"):
        neuron_vote({})
    with pytest.raises(ParameterError, match="ballots"):
        neuron_vote(rankings, 0)
    with pytest.raises(ParameterError, match="at least two"):
        vote_agreement({"x": rankings["x"]})
    with pytest.raises(ParameterError, match="no ranking w to judge"):
        vote_agreement(rankings, judges=["w"])
    with pytest.raises(MismatchError, match="cannot vote together"):
        neuron_vote({**rankings, "w": make(np.ones((1, 50)), ("a",))})

    def of(model: str) -> Ranking:
        identity = ModelIdentity(id=model, architecture="a", weight_hash=model)
        return replace(rankings["x"], provenance=Provenance(stage="rank", model=identity))

    with pytest.raises(MismatchError, match="different models"):
        neuron_vote({"one": of("one"), "two": of("two")})
