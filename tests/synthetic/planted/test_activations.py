"""Planted neurons: each does what is said of it, a seed gives the same bytes, and misuse is refused."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import onegrain as og
from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings import registry
from onegrain.synthetic.planted.neurons import INFORMATIVE, KINDS, NOISE
from support import ROOT

MANY = og.PlantedNeurons(
    exclusive=2, shared=(("a", "c"), ("b", "c", "d")), copied=("a", "b"), copies=3, weak=6, loud=3, constant=4
)
STRENGTH = 3.0


@pytest.fixture(scope="module")
def planted() -> og.Planted:
    return og.planted(4000, labels=("d", "a", "c", "b"), strength=STRENGTH, neurons=MANY, seed=5)


def label_means(planted: og.Planted) -> np.ndarray:
    """Mean of every neuron at the words of each label: (labels, neurons)."""
    values, codes = planted.activations.values(), planted.activations.layer("upos").codes
    return np.stack([values[codes == label].mean(axis=0) for label in range(len(planted.labels))])


def test_the_counts_and_labels_are_those_asked_for(planted: og.Planted) -> None:
    counts = {kind: planted.indices(kind).size for kind in KINDS if planted.indices(kind).size}
    assert counts == {"exclusive": 8, "shared": 2, "copy": 6, "weak": 6, "loud": 3, "noise": 18, "constant": 4}
    assert planted.labels == planted.activations.layer("upos").vocabulary == ("a", "b", "c", "d")
    assert [planted.indices("exclusive", label=name).size for name in "abcd"] == [2, 2, 2, 2]
    assert [planted.indices("shared", label=name).size for name in "abcd"] == [1, 1, 2, 1]
    assert [planted.indices("copy", label=name).size for name in "abcd"] == [3, 3, 0, 0]
    assert planted.carries[planted.indices("weak")].all()
    assert not planted.carries[planted.indices("loud", "noise", "constant")].any()
    values = planted.activations.values()
    assert values.dtype == np.float32
    assert values.shape == (20_000, 47) == (planted.activations.n_words, planted.kind.size)
    assert set(planted.activations.layer("upos").counts().values()) == {5000}


def test_a_neuron_is_high_at_its_labels_by_the_strength(planted: og.Planted) -> None:
    """Against a loop over neurons and labels; 20 000 words give a mean to about 0.01 deviations."""
    values, codes = planted.activations.values().astype(np.float64), planted.activations.layer("upos").codes
    for neuron in planted.indices("exclusive", "shared", "loud", "noise"):
        deviation = MANY.loud_deviation if planted.kind[neuron] == "loud" else NOISE
        for label in range(4):
            column = values[codes == label, neuron]
            high = STRENGTH if planted.carries[neuron, label] else 0.0
            assert column.mean() / deviation == pytest.approx(high, abs=0.06)
            assert column.std() == pytest.approx(deviation, rel=0.05)


def test_weak_neurons_spread_a_tenth_of_the_strength(planted: og.Planted) -> None:
    means = label_means(planted)[:, planted.indices("weak")]
    assert means.std(axis=0) / NOISE == pytest.approx(np.full(6, 0.1 * STRENGTH), abs=0.03)


def test_copies_repeat_their_original_and_constants_are_constant(planted: og.Planted) -> None:
    values = planted.activations.values()
    copies = planted.indices("copy")
    assert (planted.kind[planted.original[copies]] == "exclusive").all()
    assert (planted.carries[planted.original[copies]] == planted.carries[copies]).all()
    assert (np.delete(planted.original, copies) == -1).all()
    added = values[:, copies] - values[:, planted.original[copies]]
    assert added.std(axis=0) == pytest.approx(np.full(6, 0.1), rel=0.05)
    constant = values[:, planted.indices("constant")]
    assert (constant == constant[0]).all()
    assert np.unique(constant[0]).size == 4
    assert 0.0 in constant[0]
    exact = og.planted(20, neurons=replace(og.PlantedNeurons(), copy_deviation=0.0))
    held = exact.activations.values()
    for copy in exact.indices("copy"):
        assert (held[:, copy] == held[:, exact.original[copy]]).all()


def test_same_seed_same_bytes_and_another_seed_another_order() -> None:
    first, again, other = (og.planted(30, seed=seed) for seed in (3, 3, 4))
    assert first.activations.values().tobytes() == again.activations.values().tobytes()
    assert first.activations.corpus.content_hash == again.activations.corpus.content_hash
    assert first.activations.provenance == again.activations.provenance
    assert first.kind.tolist() == again.kind.tolist() != other.kind.tolist()
    assert first.activations.corpus.content_hash != other.activations.corpus.content_hash
    assert first.activations.provenance.stage == "planted"
    assert first.activations.provenance.parameters["shared"] == [["ADJ", "DET"]]


def test_an_index_tells_nothing_about_a_kind() -> None:
    """The mean place of informative neurons over 300 seeds is that of all, to four standard errors."""
    places = np.concatenate([np.flatnonzero(og.planted(1, seed=s).kind != "noise") for s in range(300)])
    assert places.mean() == pytest.approx(15.5, abs=4 * 9.2 / np.sqrt(places.size))


def test_held_out_words_are_of_the_same_neurons() -> None:
    train, held = og.planted(400, seed=3), og.planted(400, seed=3, words_seed=8)
    assert train.kind.tolist() == held.kind.tolist()
    assert train.original.tolist() == held.original.tolist()
    assert train.activations.corpus.content_hash != held.activations.corpus.content_hash
    means = [label_means(plant) for plant in (train, held)]
    quiet = train.kind != "loud"
    assert means[0][:, quiet] == pytest.approx(means[1][:, quiet], abs=0.1)


def test_strength_zero_plants_nothing() -> None:
    planted = og.planted(2000, strength=0.0)
    means = label_means(planted)
    assert np.abs(means[:, planted.indices("exclusive", "shared", "weak")]).max() < 0.03


def test_auc_equals_that_of_scikit_learn_with_unranked_neurons_level() -> None:
    planted = og.planted(10, seed=2)
    complete = og.rank("random", planted.activations, seed=4)
    for n_ranked in (32, 20, 0):
        ranking = replace(complete, n_ranked=n_ranked)
        used = np.isin(planted.kind, (*INFORMATIVE, "noise", "loud"))
        score = -np.minimum(ranking.positions(), n_ranked)
        truth = np.isin(planted.kind, INFORMATIVE)
        assert planted.auc(ranking) == pytest.approx(roc_auc_score(truth[used], score[used]))
    order = np.concatenate([planted.indices(*INFORMATIVE), planted.indices("loud", "noise", "constant")])
    assert planted.auc(replace(complete, order=order)) == 1.0
    assert planted.auc(replace(complete, order=order[::-1].copy())) == 0.0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"strength": -1.0}, ParameterError, "strength must be 0 or more"),
        ({"strength": float("nan")}, ParameterError, "strength must be 0 or more"),
        ({"labels": ("A",)}, ParameterError, "two or more different names"),
        ({"labels": ("A", "A")}, ParameterError, "two or more different names"),
        ({"labels": "AB"}, ParameterError, "two or more different names"),
        ({"length": 0}, ParameterError, "length must be a whole number from 1"),
        ({"seed": -1}, ParameterError, "seed must be a whole number from 0"),
        ({"words_seed": 0.5}, ParameterError, "words_seed must be a whole number from 0"),
        ({"sentences": 1, "length": 3}, ParameterError, "3 words are too few for 4 labels"),
        ({"neurons": og.PlantedNeurons(shared=(("ADJ", "X"),))}, LabelError, "no label 'X' to plant"),
        ({"neurons": og.PlantedNeurons(copied=("Y",))}, LabelError, "no label 'Y' to plant"),
        ({"neurons": og.PlantedNeurons(shared=((),))}, ParameterError, "at least one label"),
        ({"neurons": og.PlantedNeurons(0, (), (), 0, 0.1, 0, 0.1, 0, 9.0, 0, 0)}, ParameterError, "no neurons"),
    ],
)  # fmt: skip
def test_refusals(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        og.planted(**options)


def test_refuses_impossible_neurons_kinds_and_rankings() -> None:
    with pytest.raises(ParameterError, match="weak must be a whole number from 0"):
        og.PlantedNeurons(weak=-1)
    with pytest.raises(ParameterError, match="loud_deviation must be 0 or more"):
        og.PlantedNeurons(loud_deviation=-1.0)
    with pytest.raises(ParameterError, match="set copies=0 too"):
        og.PlantedNeurons(exclusive=0)
    planted = og.planted(5)
    with pytest.raises(ParameterError, match="the kinds are: exclusive"):
        planted.indices("quiet")
    with pytest.raises(LabelError, match="the planted labels are: ADJ"):
        planted.indices("exclusive", label="X")
    ranking = og.rank("random", planted.activations)
    none_loud = og.planted(5, neurons=og.PlantedNeurons(loud=0, noise=20))
    with pytest.raises(ParameterError, match=r"no neurons to compare: 10 of .*, 0 of"):
        none_loud.auc(ranking, against=("loud",))
    with pytest.raises(MismatchError, match="random ranking: expected neurons of"):
        og.planted(5, neurons=og.PlantedNeurons(noise=19)).auc(ranking)


def test_the_examples_of_the_document_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "METHODS", registry._Methods())
    document = ROOT / "docs" / "planted.md"
    failed, attempted = doctest.testfile(str(document), module_relative=False)
    assert (failed, attempted) == (0, 19)


def test_the_document_names_every_scenario_and_the_bounds_of_their_sizes() -> None:
    document = (ROOT / "docs" / "planted.md").read_text()
    benchmark = og.planted_benchmark("1")
    for scenario in benchmark.scenarios:
        assert f"`{scenario.name}`" in document
    sizes = [benchmark.plant(scenario.name).activations.n_neurons for scenario in benchmark.scenarios]
    assert f"{min(sizes)} to {max(sizes)} neurons" in document
    assert f"has {len(sizes)} scenarios, each of which asks one question" in document
