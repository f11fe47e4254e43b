"""Masking and retraining of any rankings: by scikit-learn, by naive loops, on planted neurons, and refusals."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler

import onegrain as og
from onegrain.errors import LabelError, MismatchError, ParameterError
from onegrain.rankings.data import memory
from support.planted import Planted, plant

COUNTS = (1, 3, 8, 20, 32)
QUICK: dict[str, Any] = {
    "counts": COUNTS,
    "random_orders": 2,
    "resamples": 60,
    "lambda1": 0.0,
    "lambda2": 1e-3,
    "tolerance": 1e-6,
    "min_count": 1,
}
PLAIN = {name: QUICK[name] for name in ("counts", "random_orders", "resamples", "min_count")}


def ranking_of(
    activations: og.Activations, order: np.ndarray, made_on: og.Activations | None = None
) -> og.Ranking:
    """A ranking with this very order."""
    scores = np.empty(len(order))
    scores[order] = np.arange(len(order))[::-1]
    provenance = og.Provenance(stage="rank")
    if made_on is not None:
        provenance = og.rank("std", made_on).provenance
    return og.Ranking("given", activations.space, np.asarray(order), scores, len(order), provenance)


@pytest.fixture(scope="module")
def train() -> Planted:
    return plant(120, seed=0)


@pytest.fixture(scope="module")
def held() -> og.Activations:
    return plant(50, seed=7).activations


@pytest.fixture(scope="module")
def orders(train: Planted) -> dict[str, og.Ranking]:
    rng = np.random.default_rng(3)
    known = sorted(train.informative)
    rest = [neuron for neuron in rng.permutation(32) if neuron not in known]
    knowing = ranking_of(train.activations, np.array([*known, *rest]))
    return {
        "knowing": knowing,
        "reversed": ranking_of(train.activations, knowing.order[::-1]),
        "shuffled": ranking_of(train.activations, rng.permutation(32)),
    }


@pytest.fixture(scope="module")
def measured(train: Planted, held: og.Activations, orders: dict[str, og.Ranking]) -> og.Evaluation:
    return og.evaluate(orders, train.activations, held, label="upos", **QUICK)


def labels_of(activations: og.Activations) -> np.ndarray:
    return activations.layer("upos").codes


def keptsets(evaluation: og.Evaluation, orders: dict[str, og.Ranking], seed: int = 0):
    """Every point with the neurons that it keeps, worked out here."""
    rng = np.random.default_rng(seed)
    random = [rng.permutation(32) for _ in range(2)]
    for row in evaluation.points.itertuples():
        if row.keep == "random":
            order = random[row.order]
        else:
            order = orders[row.ranking].order
            order = order if row.keep == "top" else order[::-1]
        yield row, np.sort(order[: row.neurons])


@pytest.mark.parametrize("standardize", [False, True])
def test_a_classifier_is_masked_and_retrained_as_by_hand(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking], standardize: bool
) -> None:
    probe = LogisticRegression(C=0.5, max_iter=500)
    evaluation = og.evaluate(
        orders, train.activations, held, label="upos", probe=probe, standardize=standardize, **PLAIN
    )
    x, y, z = train.activations.values(), labels_of(train.activations), held.values()
    if standardize:
        scaler = StandardScaler().fit(x.astype(np.float64))
        x, z = (scaler.transform(part).astype(np.float32) for part in (x, z))
    full = LogisticRegression(C=0.5, max_iter=500).fit(x, y)
    for row, kept in keptsets(evaluation, orders):
        if row.kind == "masking":
            masked = z * np.isin(np.arange(32), kept)
            predicted = full.predict(masked.astype(np.float32))
        elif len(kept) == 32:
            predicted = full.predict(z)
        else:
            again = LogisticRegression(C=0.5, max_iter=500).fit(x[:, kept], y)
            predicted = again.predict(z[:, kept])
        assert row.accuracy == pytest.approx((predicted == labels_of(held)).mean(), abs=1e-12)
    assert not hasattr(probe, "coef_")
    assert evaluation.details["probe"]["probe"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert evaluation.details["probe"]["parameters"]["C"] == 0.5


def test_the_elastic_net_is_the_logistic_regression_of_scikit_learn(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking], measured: og.Evaluation
) -> None:
    x, y, z = train.activations.values(), labels_of(train.activations), held.values()

    def fitted(columns: np.ndarray) -> LogisticRegression:
        c = 1.0 / (2.0 * 1e-3 * len(x))
        return LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit(x[:, columns].astype(np.float64), y)

    full = fitted(np.arange(32))
    truth, one_word = labels_of(held), 1.5 / len(z)
    for row, kept in keptsets(measured, orders):
        if row.kind == "masking":
            predicted = full.predict(z * np.isin(np.arange(32), kept))
        else:
            predicted = fitted(kept).predict(z[:, kept])
        assert row.accuracy == pytest.approx((predicted == truth).mean(), abs=one_word)
    assert measured.details["full"]["accuracy"] == pytest.approx(full.score(z, truth), abs=one_word)
    assert measured.details["probe"]["largest_gap"] < 1e-5


def test_a_masked_neuron_of_a_standardised_probe_is_held_at_its_mean(
    train: Planted, held: og.Activations
) -> None:
    """Moving a neuron by a constant changes nothing, where it is standardised; otherwise it does."""
    loud = ranking_of(train.activations, np.arange(32))
    moved = [replace(acts, array=acts.values() + 50.0) for acts in (train.activations, held)]

    def accuracies(words: list[og.Activations], standardize: bool) -> np.ndarray:
        options = {**QUICK, "kinds": "masking", "standardize": standardize, "random_orders": 1}
        return og.evaluate({"a": loud}, *words, label="upos", **options).points["accuracy"].to_numpy()

    plain = [train.activations, held]
    np.testing.assert_allclose(accuracies(plain, True), accuracies(moved, True), atol=0.01)
    assert np.abs(accuracies(plain, False) - accuracies(moved, False)).max() > 0.1


def test_intervals_are_those_of_a_loop_over_drawn_sentences(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking]
) -> None:
    probe = GaussianNB(var_smoothing=1e-3)
    evaluation = og.evaluate(
        orders, train.activations, held, label="upos", probe=probe, seed=4, kinds="retraining", **PLAIN
    )
    x, y, z = train.activations.values(), labels_of(train.activations), held.values()
    sentence = held.corpus.sentence_of_word
    rng = np.random.default_rng(4)
    draws = [rng.integers(0, 50, size=50) for _ in range(60)]
    for index, (_, kept) in enumerate(keptsets(evaluation, orders, seed=4)):
        predicted = GaussianNB(var_smoothing=1e-3).fit(x[:, kept], y).predict(z[:, kept])
        right = predicted == labels_of(held)
        expected = [np.concatenate([right[sentence == number] for number in drawn]).mean() for drawn in draws]
        np.testing.assert_allclose(evaluation.draws[index], expected, atol=1e-12)
        bounds = evaluation.points.iloc[index][["low", "high"]].tolist()
        assert bounds == pytest.approx(np.quantile(expected, [0.025, 0.975]).tolist(), abs=1e-12)


def test_a_ranking_that_knows_the_planted_neurons_has_the_larger_areas(
    measured: og.Evaluation, orders: dict[str, og.Ranking]
) -> None:
    comparison = og.compare_rankings(orders, measured)
    table = comparison.table.set_index("ranking")
    for kind in ("masking", "retraining"):
        area = table[kind]
        assert area["knowing"] > max(area["shuffled"], area["(random orders)"]) > area["reversed"]
        gaps = comparison.areas.gaps.set_index(["kind", "ranking", "against"])
        assert (gaps.loc[(kind, "knowing"), "low"] > 0).all()
        assert (gaps.loc[(kind, "reversed"), "high"] < 0).all()


def test_numbering_the_neurons_differently_changes_nothing(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking]
) -> None:
    places = np.random.default_rng(8).permutation(32)
    renumbered = np.argsort(places)
    moved = [replace(acts, array=acts.values()[:, places]) for acts in (train.activations, held)]
    again = {name: ranking_of(moved[0], renumbered[ranking.order]) for name, ranking in orders.items()}
    options = {**QUICK, "keep": ("top", "bottom")}
    first, second = (
        og.evaluate(rankings, *words, label="upos", **options)
        for rankings, words in ((orders, (train.activations, held)), (again, moved))
    )
    np.testing.assert_allclose(first.points["accuracy"], second.points["accuracy"], atol=1.5 / held.n_words)


def test_rankings_are_measured_alike_alone_and_together_and_equal_sets_once(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking], measured: og.Evaluation
) -> None:
    alone = og.evaluate({"again": orders["shuffled"]}, train.activations, held, label="upos", **QUICK)
    for kind in ("masking", "retraining"):
        for keep in ("top", "bottom"):
            first, second = measured.line(kind, keep, "shuffled"), alone.line(kind, keep, "again")
            assert first.equals(second)
            assert np.array_equal(
                measured.draws_of(kind, keep, "shuffled"), alone.draws_of(kind, keep, "again")
            )
        assert measured.line(kind, "random").equals(alone.line(kind, "random"))
    twice = og.evaluate(
        {"a": orders["knowing"], "b": orders["knowing"], "c": orders["reversed"]},
        train.activations, held, label="upos", **{**QUICK, "keep": ("top", "bottom")},
    )  # fmt: skip
    assert twice.details["measured"] == {"masking": 8, "retraining": 8}
    assert twice.details["probe"]["fits"] == 9
    assert twice.line("masking", "top", "c").equals(twice.line("masking", "bottom", "a"))


def test_scratch_files_change_nothing(
    train: Planted,
    held: og.Activations,
    orders: dict[str, og.Ranking],
    measured: og.Evaluation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spilled = []

    class OnDisk(memory.Memory):
        def host_table(self, n_rows: int, n_columns: int, dtype: torch.dtype) -> memory.ScratchTable:
            spilled.append(n_rows)
            return memory.ScratchTable((n_rows, n_columns), dtype, self.folder)

    monkeypatch.setattr(import_module("onegrain.evaluation.evaluate"), "Memory", OnDisk)
    tight = og.evaluate(orders, train.activations, held, label="upos", memory="64GiB", **QUICK)
    assert {train.activations.n_words, held.n_words} <= set(spilled)
    assert tight.points.equals(measured.points)


def test_the_penalties_are_those_with_the_best_accuracy_on_dev_the_stronger_of_equals(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking]
) -> None:
    dev = plant(30, seed=11).activations
    options = {**QUICK, "lambda1": (0.0, 0.03), "lambda2": (1e-4, 1.0), "keep": "top", "kinds": "masking"}
    evaluation = og.evaluate(orders, train.activations, held, label="upos", dev=dev, **options)
    facts = evaluation.details["probe"]
    best = max(row["accuracy"] for row in facts["grid"])
    tied = [
        (r["lambda1"] + r["lambda2"], r["lambda1"], r["lambda2"])
        for r in facts["grid"]
        if r["accuracy"] == best
    ]
    assert (facts["lambda1"], facts["lambda2"]) == max(tied)[1:]
    for row in facts["grid"]:
        probe = og.ElasticNetProbe(lambda1=row["lambda1"], lambda2=row["lambda2"], tolerance=1e-6)
        predicted = probe.fit(train.activations.values(), labels_of(train.activations)).predict(dev.values())
        assert row["accuracy"] == pytest.approx((predicted == labels_of(dev)).mean(), abs=1.5 / dev.n_words)


def test_the_record_comes_back_from_disk(measured: og.Evaluation, tmp_path: Path) -> None:
    measured.save(tmp_path / "e.parquet")
    again = og.Evaluation.load(tmp_path / "e.parquet")
    assert np.array_equal(again.draws, measured.draws)
    assert again.points.equals(measured.points)
    for name in ("layer", "space", "methods", "provenance", "details"):
        assert getattr(again, name) == getattr(measured, name), name
    assert again.names == ("knowing", "reversed", "shuffled")
    measured.save(tmp_path / "f.parquet")
    assert (tmp_path / "e.parquet").read_bytes() == (tmp_path / "f.parquet").read_bytes()
    with pytest.raises(ParameterError, match="no top line of masking for 'x'; it has masking, retraining"):
        measured.line("masking", "top", "x")


def test_a_random_line_is_the_mean_over_the_orders(measured: og.Evaluation) -> None:
    rows = measured.points[(measured.points["keep"] == "random") & (measured.points["kind"] == "masking")]
    line = measured.line("masking", "random")
    for index, count in enumerate(COUNTS):
        orders_at_count = rows[rows["neurons"] == count]
        assert line["accuracy"][index] == pytest.approx(orders_at_count["accuracy"].mean())
        drawn = measured.draws[orders_at_count.index].mean(axis=0)
        assert line["low"][index] == pytest.approx(np.quantile(drawn, 0.025))


def test_without_held_some_sentences_are_tested_and_rankings_made_from_them_are_named(
    train: Planted,
) -> None:
    rankings = {
        "own": og.rank("std", train.activations),
        "other": og.rank("std", plant(40, seed=5).activations),
    }
    evaluation = og.evaluate(rankings, train.activations, label="upos", test_share=0.25, max_words=200, **QUICK)
    assert evaluation.details["test"]["sentences"] == 30
    assert evaluation.details["train"]["words"] == 200
    assert list(evaluation.details["seen"]) == ["own"]


def test_rankings_of_other_words_or_neurons_are_refused(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking]
) -> None:
    acts = train.activations
    seen = {**orders, "leaky": og.rank("f-statistic", held, label="upos")}
    with pytest.raises(MismatchError, match="'leaky' was made from the tested words"):
        og.evaluate(seen, acts, held, label="upos")
    with pytest.raises(MismatchError, match="'elected' was made from the tested words"):
        og.evaluate({"elected": og.neuron_vote(seen)}, acts, held, label="upos")
    with pytest.raises(MismatchError, match="training words themselves"):
        og.evaluate(orders, acts, acts, label="upos")
    with pytest.raises(MismatchError, match="dev and test are the same words"):
        og.evaluate(orders, acts, held, dev=held, label="upos")
    with pytest.raises(MismatchError, match="ranking 'knowing'"):
        og.evaluate(orders, acts.restrict("layers.0"), held.restrict("layers.0"), label="upos")
    first, second = plant(40, model="one").activations, plant(40, model="two").activations
    with pytest.raises(MismatchError, match="different models"):
        og.evaluate({"two": og.rank("std", second)}, first, held, label="upos")


def test_a_ranking_that_was_given_the_tested_words_beside_is_named(
    train: Planted, held: og.Activations
) -> None:
    acts = train.activations
    told = og.rank("lca", acts, label="upos", test=held, lambda1=1e-3, lambda2=0.0, max_words=300)
    evaluation = og.evaluate({"lca": told}, acts, held, label="upos", **QUICK)
    assert "was given the tested words" in evaluation.details["seen"]["lca"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"counts": (1, 33)}, r"counts must lie in 1..32"),
        ({"counts": 0}, "counts must be a whole number from 1"),
        ({"shares": (0.0, 0.5)}, "shares must be above 0"),
        ({"shares": ()}, "shares and counts are empty"),
        ({"shares": (0.5,), "counts": (3,)}, "counts or shares, not both"),
        ({"kinds": "guessing"}, "kinds must be some of masking, retraining"),
        ({"keep": "middle"}, "keep must be some of top, bottom, random"),
        ({"random_orders": 0}, "random_orders"),
        ({"resamples": 1}, "resamples"),
        ({"lambda2": -1.0}, "lambda2"),
        ({"test_share": 1.0}, "test_share"),
        ({"depth": 3}, "no parameter 'depth'"),
        ({"probe": "forest"}, "no probe 'forest'"),
        ({"probe": LogisticRegression}, "a classifier with fit and predict"),
        ({"probe": Ridge()}, "does not predict one of the labels"),
        ({"probe": GaussianNB(), "lambda1": 0.1}, "it is of the probe elastic-net"),
        ({"probe": GaussianNB(), "memory": "1GiB"}, "memory and device are of the probe elastic-net"),
        ({"dev": plant(20, seed=9).activations, "lambda2": 0.1}, "one pair alone"),
    ],
)  # fmt: skip
def test_impossible_parameters_are_refused(
    train: Planted, held: og.Activations, orders: dict[str, og.Ranking], options: dict[str, Any], why: str
) -> None:
    with pytest.raises(ParameterError, match=why):
        og.evaluate(orders, train.activations, held, label="upos", **options)


def test_no_ranking_and_no_such_layer_are_refused(train: Planted, held: og.Activations) -> None:
    with pytest.raises(ParameterError, match="no ranking to evaluate"):
        og.evaluate({}, train.activations, held, label="upos")
    with pytest.raises(LabelError, match="xpos"):
        og.evaluate({"a": og.rank("std", train.activations)}, train.activations, held, label="xpos")


def test_an_evaluation_knows_its_rankings_by_their_orders(
    measured: og.Evaluation, orders: dict[str, og.Ranking]
) -> None:
    measured.require_rankings({"shuffled": orders["shuffled"]})
    for name, ranking in (("shuffled", orders["knowing"]), ("unknown", orders["knowing"])):
        with pytest.raises(MismatchError, match=f"not of this ranking '{name}'"):
            measured.require_rankings({name: ranking})


def test_the_label_layer_is_that_of_the_rankings(train: Planted, held: og.Activations) -> None:
    ranked = {name: og.rank(name, train.activations, label="upos") for name in ("f-statistic", "probeless")}
    ranked["std"] = og.rank("std", train.activations)
    evaluation = og.evaluate(ranked, train.activations, held, **QUICK)
    assert evaluation.layer == "upos"
    with pytest.raises(ParameterError, match=r"name the label layer .*: no ranking has one"):
        og.evaluate({"std": ranked["std"]}, train.activations, held, **QUICK)
    other = replace(ranked["probeless"], layer="kind")
    with pytest.raises(ParameterError, match="the rankings are of kind, upos"):
        og.evaluate({**ranked, "probeless": other}, train.activations, held, **QUICK)
