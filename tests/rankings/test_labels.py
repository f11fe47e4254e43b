"""Labels of few words, and layers without labels: the same in every method that takes a label layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import onegrain as og
from onegrain.errors import LabelError, ParameterError
from onegrain.rankings import METHODS, rank, rank_together
from onegrain.rankings.labels import keep_labels, labels_left_out
from onegrain.records.activations import Activations
from onegrain.records.corpus import Corpus, LabelLayer

SENTENCES, LENGTH, NEURONS, PLANTED = 60, 10, 40, 8
LABELLED = [name for name, method in METHODS.items() if method.needs_label]
QUICK: dict[str, dict[str, Any]] = {
    "lca": {"lambda1": 1e-3, "lambda2": 1e-3, "evaluate": False, "dev_share": 0.2},
    "gaussian": {"k": 4, "dev_share": 0.2},
    "sparse-probing": {"k": 2},
    "neurox": {"epochs": 2, "min_count": 10},
}


def labelled_acts(rare: dict[str, int], *, unlabelled: bool = False) -> Activations:
    """Four labels, two neurons planted for each; some words have another label, or none in its place."""
    rng = np.random.default_rng(1)
    words = SENTENCES * LENGTH
    labels = list(rng.choice(list("ABCD"), words, p=[0.4, 0.25, 0.2, 0.15]))
    values = rng.normal(size=(words, NEURONS))
    for neuron in range(PLANTED):
        values[:, neuron] += 2.0 * (np.array(labels) == "ABCD"[neuron // 2])
    places = iter(rng.permutation(words).tolist())
    for label, count in rare.items():
        for _ in range(count):
            labels[next(places)] = None if unlabelled else label
    corpus = Corpus.from_sentences([[f"w{i}_{j}" for j in range(LENGTH)] for i in range(SENTENCES)])
    layer = LabelLayer.from_labels("tag", labels)
    return Activations.from_array(values.astype(np.float32), corpus.with_layer(layer))


@pytest.mark.parametrize("method", LABELLED)
def test_a_label_of_few_words_changes_nothing_but_what_is_counted(method: str) -> None:
    rare = {"Y": 1, "Z": 9}
    options = QUICK.get(method, {})
    ranking = rank(method, labelled_acts(rare), label="tag", **options)
    bare = rank(method, labelled_acts(rare, unlabelled=True), label="tag", **options)
    assert ranking.labels == bare.labels == tuple("ABCD")
    assert ranking.order.tolist() == bare.order.tolist()
    np.testing.assert_array_equal(ranking.scores, bare.scores)
    learned = 7 if "dev_share" in options else 9  # of the nine words of Z two are held out
    assert labels_left_out(ranking.details) == f"Y (1 word), Z ({learned} words)"
    assert labels_left_out(bare.details) == ""
    assert (ranking.details.get("train") or ranking.details)["left_out"]["rare_label"] == 1 + learned


@pytest.mark.parametrize("method", LABELLED)
def test_a_label_of_enough_words_counts(method: str) -> None:
    assert rank(method, labelled_acts({"Z": 40}), label="tag", **QUICK.get(method, {})).labels == tuple("ABCDZ")
    options = QUICK.get(method, {}) | {"min_count": 1}
    assert rank(method, labelled_acts({"Z": 6}), label="tag", **options).labels == tuple("ABCDZ")


def test_planted_neurons_stay_first_beside_a_label_of_one_word() -> None:
    names = ["probeless", "auroc", "selectivity", "lape", "average-precision", "f-statistic"]
    for ranking in rank_together(names, labelled_acts({"Z": 1}), label="tag").values():
        assert set(ranking.order[:PLANTED].tolist()) == set(range(PLANTED))


@pytest.mark.parametrize("method", LABELLED)
def test_a_layer_without_two_labels_is_refused_alike(method: str) -> None:
    acts = labelled_acts({})
    none = LabelLayer("none", np.full(acts.n_words, -1, dtype=np.int32), ())
    few = LabelLayer.from_labels("few", ["A"] * 30 + ["B"] * 3 + [None] * (acts.n_words - 33))
    acts = acts.with_corpus(acts.corpus.with_layer(none).with_layer(few))
    options = QUICK.get(method, {})
    with pytest.raises(LabelError, match=r"label layer 'none' .* fewer than two labels .* none is left; lower"):
        rank(method, acts, label="none", **options)
    with pytest.raises(LabelError, match=r"A \(30\) alone is left; left out: B \(3 words\); lower min_count"):
        rank(method, acts, label="few", **options)


def test_an_evaluation_refuses_such_a_layer_and_says_what_it_left_out() -> None:
    acts, order = labelled_acts({"Z": 3}), rank("random", labelled_acts({}))
    quick = {"counts": [5], "random_orders": 1, "resamples": 2, "lambda1": 1e-3, "lambda2": 1e-3}
    evaluation = og.evaluate({"random": order}, acts, label="tag", test_share=0.3, **quick)
    assert set(evaluation.details["train"]["labels_left_out"]) == {"Z"}
    none = LabelLayer("none", np.full(acts.n_words, -1, dtype=np.int32), ())
    acts = acts.with_corpus(acts.corpus.with_layer(none))
    with pytest.raises(LabelError, match="fewer than two labels"):
        og.evaluate({"random": order}, acts, label="none", **quick)


@pytest.mark.parametrize("method", LABELLED)
@pytest.mark.parametrize("value", [0, 2.5, True, "3"])
def test_an_impossible_min_count_is_refused(method: str, value: Any) -> None:
    with pytest.raises(ParameterError, match="min_count"):
        rank(method, labelled_acts({}), label="tag", min_count=value)


def test_methods_of_different_min_count_run_together_as_alone() -> None:
    acts = labelled_acts({"Z": 5})
    parameters = {"auroc": {"min_count": 3}, "lape": {"min_count": 3}}
    rankings = rank_together(["auroc", "probeless", "lape"], acts, label="tag", parameters=parameters)
    assert list(rankings) == ["auroc", "probeless", "lape"]
    for name, ranking in rankings.items():
        alone = rank(name, acts, label="tag", **parameters.get(name, {}))
        assert ranking.labels == alone.labels
        np.testing.assert_array_equal(ranking.label_scores, alone.label_scores)
    assert rankings["lape"].labels == tuple("ABCDZ")
    assert rankings["probeless"].labels == tuple("ABCD")


def test_words_without_activation_do_not_count() -> None:
    acts = labelled_acts({"Z": 12})
    rows = acts.words_of("tag", "Z")
    among = np.ones(acts.n_words, dtype=bool)
    among[rows[:5]] = False
    kept = keep_labels(acts, "tag", among, 10)
    assert (kept.names, kept.left_out) == (tuple("ABCD"), {"Z": 7})
