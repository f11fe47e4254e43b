"""Clusters of redundant neurons, their representatives, and rankings without the rest."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import onegrain
from onegrain.analyses import clusters, layers, localisation, overlap, sharing, universality, without_redundant
from onegrain.analyses.redundancy import correlations as correlating
from onegrain.analyses.redundancy.clusters import LINKAGES
from onegrain.errors import InputError, MismatchError, ParameterError, RecordError
from onegrain.records.activations import Activations
from onegrain.records.clusters import Clusters
from onegrain.records.ranking import Ranking
from support.planted import plant
from support.stores import changed, store


def partition(record: Clusters) -> set[frozenset[int]]:
    return {frozenset(record.members(number).tolist()) for number in range(len(record))}


def naive(distances: np.ndarray, linkage: str, threshold: float) -> set[frozenset[int]]:
    """Join the two nearest clusters until they are further apart than the threshold."""
    groups = [[neuron] for neuron in range(len(distances))]
    join = {"average": np.mean, "complete": np.max, "single": np.min}[linkage]
    while len(groups) > 1:
        apart = {
            (a, b): join(distances[np.ix_(groups[a], groups[b])])
            for a, b in combinations(range(len(groups)), 2)
        }
        (a, b), least = min(apart.items(), key=lambda pair: pair[1])
        if least > threshold:
            break
        groups[a] += groups.pop(b)
    return {frozenset(group) for group in groups}


@pytest.fixture
def mixed() -> Activations:
    """30 neurons of noise, mixed with six signals of very different strengths, one with the sign turned."""
    acts = store(3, space=onegrain.NeuronSpace(("layers.0", "layers.1"), (14, 16)), sentences=60)
    rng = np.random.default_rng(5)
    signals = rng.normal(size=(acts.n_words, 6))
    values = rng.normal(size=(acts.n_words, 30))
    for neuron in range(24):
        values[:, neuron] += (-1) ** neuron * rng.uniform(0.2, 6.0) * signals[:, neuron % 6]
    return changed(acts, values)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("linkage", LINKAGES)
def test_against_joining_one_pair_after_another(mixed: Activations, linkage: str, signed: bool) -> None:
    r = np.corrcoef(mixed.values().T.astype(np.float64))
    distances = 1 - (r if signed else np.abs(r))
    seen = set()
    for threshold in (0.0, 0.1, 0.3, 0.6, 0.9, 1.0):
        grouping = clusters(mixed, linkage=linkage, threshold=threshold, signed=signed)
        assert partition(grouping) == naive(distances, linkage, threshold)
        seen.add(len(grouping))
        for number, medoid in enumerate(grouping.medoids):
            members = grouping.members(number)
            similarities = (r if signed else np.abs(r))[np.ix_(members, members)]
            means = (
                (similarities.sum(axis=0) - 1) / (len(members) - 1) if len(members) > 1 else np.array([np.nan])
            )
            np.testing.assert_allclose(grouping.mean_correlation[members], means, atol=1e-9)
            if len(members) > 1:
                assert medoid == members[np.argmax(means.round(9))]
    assert len(seen) > 3


@pytest.mark.parametrize("method", LINKAGES)
@pytest.mark.parametrize("absolute", [True, False])
def test_the_partition_is_that_of_neurox(mixed: Activations, method: str, absolute: bool) -> None:
    clustering = pytest.importorskip(
        "neurox.interpretation.clustering", reason="the real neurox is not installed"
    )
    values = mixed.values()
    values[:, 7] = 0.25
    acts = changed(mixed, values)
    for threshold in (0.05, 0.2, 0.5, 0.8):
        with redirect_stdout(io.StringIO()), np.errstate(invalid="ignore", divide="ignore"):
            labels = clustering.create_correlation_clusters(values, absolute, threshold, method)
        expected = {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}
        grouping = clusters(acts, linkage=method, threshold=threshold, signed=not absolute)
        assert partition(grouping) == expected
    assert grouping.details["constant"] == 1
    assert frozenset({7}) in expected


def test_planted_copies_are_found() -> None:
    neurons = onegrain.PlantedNeurons(copied=("NOUN", "VERB"), copies=3, shared=(), weak=0)
    plant = onegrain.planted(400, neurons=neurons)
    grouping = clusters(plant.activations)
    groups = {frozenset({original, *np.flatnonzero(plant.original == original).tolist()})
              for original in set(plant.original.tolist()) - {-1}}  # fmt: skip
    assert len(groups) == 2
    assert {group for group in partition(grouping) if len(group) > 1} == groups
    assert grouping.details["constant"] == 2
    assert np.isnan(grouping.mean_correlation[plant.indices("constant")]).all()


def test_opposite_neurons_are_redundant_unless_signed() -> None:
    acts = store(1)
    values = acts.values()
    values[:, 5] = -2 * values[:, 1] + 3
    acts = changed(acts, values)
    assert frozenset({1, 5}) in partition(clusters(acts, threshold=0.01))
    assert frozenset({1, 5}) not in partition(clusters(acts, threshold=1.5, signed=True))


def test_exact_copies_are_found_at_threshold_0_and_a_tie_goes_to_the_lowest_index(mixed: Activations) -> None:
    values = mixed.values()
    values[:, [4, 9, 20]] = values[:, [25]]
    grouping = clusters(changed(mixed, values), threshold=0.0)
    assert {group for group in partition(grouping) if len(group) > 1} == {frozenset({4, 9, 20, 25})}
    assert 4 in grouping.medoids
    assert grouping.numbers.tolist()[:10] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 4]


def test_multiples_are_exact_copies_too() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-9, 9, size=(200, 7)).astype(np.float32)
    values[:, 1:] = values[:, :1] * np.array([3, -5, 7, 11, 13, 17])
    assert len(clusters(changed(store(0), values), threshold=0.0)) == 1


def test_of_two_copies_the_first_is_the_medoid_whatever_the_rounding() -> None:
    for seed in range(100):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(200, 17)) + rng.normal(size=(200, 1))
        order = rng.permutation(34)
        values = np.concatenate([noise, noise], axis=1)[:, order]
        acts = changed(store(0, space=onegrain.NeuronSpace(("layers.0",), (34,))), values)
        (medoid,) = clusters(acts, threshold=1.0).medoids
        copies = np.flatnonzero(order % 17 == order[medoid] % 17)
        assert medoid == copies[0]


@pytest.mark.parametrize("linkage", LINKAGES)
def test_the_order_of_the_neurons_does_not_matter(mixed: Activations, linkage: str) -> None:
    grouping = clusters(mixed, linkage=linkage)
    places = np.random.default_rng(1).permutation(30)
    moved = clusters(changed(mixed, mixed.values()[:, places]), linkage=linkage)
    assert {frozenset(places[list(group)].tolist()) for group in partition(moved)} == partition(grouping)
    for medoid in places[moved.medoids[moved.sizes > 2]]:
        assert medoid in grouping.medoids


@pytest.mark.parametrize("rows", [1, 7, 300])
def test_the_blocks_do_not_matter(mixed: Activations, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    every = np.arange(30)
    unblocked = correlating.correlations(mixed, every)
    monkeypatch.setattr(correlating, "BLOCK_ROWS", rows)
    split = correlating.correlations(mixed, every)
    np.testing.assert_allclose(split.condensed, unblocked.condensed, atol=1e-11)
    assert split.words == unblocked.words == mixed.n_words


@pytest.mark.parametrize("rows", [16, 2048])
def test_a_mean_that_is_large_beside_the_deviation_costs_nothing(
    mixed: Activations, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(correlating, "BLOCK_ROWS", rows)
    values = (1e4 + 1e-2 * mixed.values().astype(np.float64)).astype(np.float32)
    values[:, 3] = np.float32(1e4 + 0.1)
    correlations = correlating.correlations(changed(mixed, values), np.arange(30))
    keep = np.arange(30) != 3
    np.testing.assert_array_equal(correlations.changing, keep)
    exact = values.astype(np.longdouble) - values.mean(axis=0, dtype=np.longdouble)
    products = (exact.T @ exact)[keep][:, keep]
    scale = np.sqrt(np.diagonal(products))
    expected = (products / scale / scale[:, None])[np.triu_indices(29, 1)].astype(np.float64)
    np.testing.assert_allclose(correlations.condensed, expected, atol=1e-11)


def test_some_neurons_and_words_only(mixed: Activations) -> None:
    chosen = [3, 9, 15, 21, 27, 2]
    missing = np.zeros(mixed.n_words, dtype=bool)
    missing[[0, 5, 77]] = True
    values = mixed.values()
    values[missing] = np.nan
    part = replace(changed(mixed, values), missing=missing)
    grouping = clusters(part, neurons=["layers.0:3", *chosen[1:]], threshold=0.5)
    np.testing.assert_array_equal(grouping.neurons, sorted(chosen))
    r = np.corrcoef(values[~missing][:, sorted(chosen)].T.astype(np.float64))
    expected = {
        frozenset(np.array(sorted(chosen))[list(g)].tolist()) for g in naive(1 - np.abs(r), "average", 0.5)
    }
    assert partition(grouping) == expected
    assert grouping.details == {"words": mixed.n_words - 3, "left_out": {"no_activation": 3}, "constant": 0}


@pytest.mark.parametrize("changing", [0, 1])
def test_too_few_neurons_that_change(changing: int) -> None:
    values = np.ones((200, 7), dtype=np.float32)
    values[:, :changing] = np.random.default_rng(0).normal(size=(200, changing))
    grouping = clusters(changed(store(0), values))
    np.testing.assert_array_equal(grouping.numbers, np.arange(7))
    np.testing.assert_array_equal(grouping.medoids, np.arange(7))
    assert grouping.details["constant"] == 7 - changing
    assert grouping.groups().empty


def test_the_record_is_read_as_it_was_written(mixed: Activations, tmp_path: Path) -> None:
    grouping = clusters(mixed, neurons=range(1, 30), signed=True, threshold=0.7)
    grouping.save(tmp_path / "c.parquet")
    back = Clusters.load(tmp_path / "c.parquet")
    for name in ("neurons", "numbers", "mean_correlation", "medoids"):
        np.testing.assert_array_equal(getattr(back, name), getattr(grouping, name))
    for name in ("space", "linkage", "threshold", "signed", "provenance", "details"):
        assert getattr(back, name) == getattr(grouping, name)
    clusters(mixed, neurons=range(1, 30), signed=True, threshold=0.7).save(tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == (tmp_path / "c.parquet").read_bytes()
    with pytest.raises(RecordError, match="holds a clusters, not a ranking"):
        Ranking.load(tmp_path / "c.parquet")
    with pytest.raises(RecordError, match="numbered from 0 by their lowest member"):
        replace(grouping, numbers=grouping.numbers[::-1].copy())
    with pytest.raises(RecordError, match="one member of each cluster"):
        replace(grouping, medoids=grouping.medoids[::-1].copy())


def test_what_cannot_be_clustered_is_refused(mixed: Activations) -> None:
    for options, message in (
        ({"linkage": "ward"}, "the linkages are: average, complete, single"),
        ({"threshold": -0.1}, r"a distance 1 - \|r\|, from 0 to 1, got -0.1"),
        ({"threshold": float("nan")}, "got nan"),
        ({"threshold": 2.1, "signed": True}, "a distance 1 - r, from 0 to 2"),
        ({"neurons": []}, "neurons must be one or more of 0..29"),
        ({"neurons": [30]}, "neuron 30 is outside 0..29"),
        ({"neurons": ["layers.7:0"]}, "no site 'layers.7'"),
        (
            {"memory": "1MB"},
            "held already, is too small: the correlations of 30 neurons need 1 MiB; restrict",
        ),
        ({"memory": "lots"}, "memory must be a size"),
    ):
        with pytest.raises(InputError, match=message):
            clusters(mixed, **options)
    values = mixed.values()
    values[5, 2] = np.inf
    with pytest.raises(ParameterError, match=r"1 activations of .* the first is neuron layers.0:2 at word 5"):
        clusters(changed(mixed, values))
    with pytest.raises(ParameterError, match=r"no word of .* has an activation"):
        clusters(replace(mixed, missing=np.ones(mixed.n_words, dtype=bool)))


def test_free_memory_bounds_what_is_tried(monkeypatch: pytest.MonkeyPatch, mixed: Activations) -> None:
    import psutil

    free = psutil.virtual_memory()._replace(available=1000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    with pytest.raises(ParameterError, match=r"the free memory of 1 MiB is too small.*restrict the sites"):
        clusters(mixed)


@pytest.fixture
def reduced() -> tuple[Ranking, Clusters, Ranking]:
    acts = plant(300).activations
    ranking, grouping = onegrain.rank("f-statistic", acts, label="upos"), clusters(acts)
    return ranking, grouping, without_redundant(ranking, grouping)


def test_each_cluster_is_ranked_once(reduced: tuple[Ranking, Clusters, Ranking]) -> None:
    ranking, grouping, short = reduced
    planted = plant(300)
    group = {planted.exclusive["VERB"], *planted.copies}
    best = min(group, key=ranking.positions().__getitem__)
    removed = [index for index in ranking.order.tolist() if index in group - {best}]
    assert ranking.n_ranked - short.n_ranked == len(removed) == 2
    assert short.order.tolist()[: short.n_ranked] == [
        index for index in ranking.order.tolist()[: ranking.n_ranked] if index not in removed
    ]
    assert short.order.tolist()[short.n_ranked :] == [*removed, *ranking.order.tolist()[ranking.n_ranked :]]
    told = short.details["redundant"]
    assert (told["removed"], told["represented_by"]) == (removed, [best, best])
    assert (told["clusters"], told["linkage"], told["threshold"], told["signed"]) == (30, "average", 0.3, False)
    assert short.provenance.inputs == (ranking.provenance, grouping.provenance)
    assert short.provenance.corpus == ranking.provenance.corpus
    assert np.isnan(short.scores[removed]).all()
    kept = np.setdiff1d(np.arange(32), removed)
    np.testing.assert_array_equal(short.scores[kept], ranking.scores[kept])
    verb = short.label("VERB")
    assert not set(removed) & set(verb.order[: verb.n_ranked].tolist())
    assert grouping.representatives(ranking).tolist().count(best) == 1


def test_a_neuron_that_was_not_clustered_stands_for_itself(reduced: tuple[Ranking, Clusters, Ranking]) -> None:
    ranking, _, short = reduced
    removed = short.details["redundant"]["removed"]
    others = [index for index in range(32) if index != removed[0]]
    again = without_redundant(ranking, clusters(plant(300).activations, neurons=others))
    assert again.details["redundant"]["removed"] == removed[1:]


def test_a_ranking_without_redundant_neurons_serves_every_analysis(
    reduced: tuple[Ranking, Clusters, Ranking], tmp_path: Path
) -> None:
    ranking, _, short = reduced
    short.save(tmp_path / "r.parquet")
    back = Ranking.load(tmp_path / "r.parquet")
    np.testing.assert_array_equal(back.order, short.order)
    np.testing.assert_array_equal(back.label_scores, short.label_scores)
    assert back.provenance == short.provenance
    removed = set(short.details["redundant"]["removed"])
    assert not removed & set(sharing(back).neurons["neuron"])
    assert len(localisation(back)) == 4
    assert layers(back, 10)["count"].sum() == 10
    pair = overlap({"all": ranking, "once": back}, 10)
    assert 10 - 2 <= pair["shared"].iloc[0] < 10
    lca = onegrain.rank("lca", plant(300).activations, label="upos", lambda1=0.001, lambda2=0.001)
    with pytest.raises(ParameterError, match="without redundant neurons; stability needs"):
        onegrain.stability(without_redundant(lca, clusters(plant(300).activations)), plant(300).activations)


def test_a_cross_model_ranking_still_knows_its_models() -> None:
    acts, other = store(1), store(2)
    ranking = onegrain.rank("maxcorr", acts, others=[other])
    short = without_redundant(ranking, clusters(acts, threshold=0.9))
    assert short.n_ranked < ranking.n_ranked
    first = ranking.space.name(int(short.order[0]))
    assert set(universality(short, acts, [other], k=1)["neuron"]) == {first}


def test_rankings_of_other_neurons_or_models_are_refused(reduced: tuple[Ranking, Clusters, Ranking]) -> None:
    ranking, grouping, _ = reduced
    with pytest.raises(MismatchError, match=r"clusters and maxcorr ranking: expected neurons of layers.0"):
        without_redundant(onegrain.rank("maxcorr", store(1), others=[store(2)]), grouping)
    named = clusters(plant(300, model="a").activations)
    other = onegrain.rank("f-statistic", plant(300, model="b").activations, label="upos")
    with pytest.raises(MismatchError, match=r"clusters: of a .*; f-statistic ranking: of b .*"):
        without_redundant(other, named)
    assert without_redundant(ranking, named).n_ranked == 28
