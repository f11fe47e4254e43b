"""Recovery of planted neurons: by hand, against scikit-learn, for oracles, and by chance."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

import onegrain as og
from onegrain.errors import MismatchError, ParameterError
from onegrain.records.ranking import Ranking
from onegrain.synthetic.planted.neurons import INFORMATIVE
from onegrain.synthetic.planted.recovery import precision_in_order

BENCHMARK = og.planted_benchmark("1")
MEASURES = ["precision", "average_precision"]


def ranking_of(planted: og.Planted, scores: np.ndarray, label_scores: np.ndarray | None = None) -> Ranking:
    """By descending score; NaN is not ranked."""
    order = np.argsort(np.where(np.isnan(scores), np.inf, -scores), kind="stable")
    return Ranking(
        method="made-up",
        space=planted.activations.space,
        order=order,
        scores=scores,
        n_ranked=int((~np.isnan(scores)).sum()),
        provenance=planted.activations.provenance,
        labels=planted.labels if label_scores is not None else (),
        label_scores=label_scores,
    )


def rows(table: pd.DataFrame, scope: str) -> dict[str, list[float]]:
    part = table[table["scope"] == scope]
    return {row["name"]: [row[name] for name in MEASURES] for _, row in part.iterrows()}


def test_precision_and_average_precision_by_hand() -> None:
    hits = np.array([True, False, True, True, False, False])
    assert precision_in_order(hits, 6, 1) == (1.0, pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3))
    assert precision_in_order(hits, 6, 2)[0] == 0.5
    assert precision_in_order(hits, 6, 3)[0] == pytest.approx(2 / 3)
    assert precision_in_order(hits, 6, 6)[0] == 0.5


@pytest.mark.parametrize("n_ranked", range(7))
def test_unranked_neurons_count_as_the_mean_over_all_their_orders(n_ranked: int) -> None:
    hits = np.array([True, False, True, True, False, False])
    orders = [np.concatenate([hits[:n_ranked], hits[list(rest)]]) for rest in permutations(range(n_ranked, 6))]
    for k in range(1, 7):
        wanted = np.mean([precision_in_order(order, 6, k) for order in orders], axis=0)
        assert precision_in_order(hits, n_ranked, k) == pytest.approx(tuple(wanted))


def test_average_precision_equals_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    for n_hits in (1, 7, 29, 30):
        hits = rng.permutation(np.arange(30) < n_hits)
        wanted = average_precision_score(hits, np.arange(30, 0, -1))
        assert precision_in_order(hits, 30, 5) == (pytest.approx(hits[:5].mean()), pytest.approx(wanted))


def test_an_oracle_recovers_everything_and_its_reverse_as_little_as_can_be() -> None:
    for name in ("clear", "rare", "mixed"):
        planted = BENCHMARK.plant(name).planted
        truth = np.isin(planted.kind, INFORMATIVE).astype(float)
        labels = planted.carries.T.astype(float)
        oracle = og.recovery(planted, ranking_of(planted, truth + 1, labels + 1))
        assert (oracle[MEASURES] == 1.0).all(axis=None)
        reverse = og.recovery(planted, ranking_of(planted, 2 - truth, 2 - labels))
        for _, row in reverse.iterrows():
            missing = row["among"] - row["planted"]
            last = np.arange(1, row["planted"] + 1)
            assert row["average_precision"] == pytest.approx((last / (missing + last)).mean())
            assert row["precision"] == max(0, row["planted"] - missing) / row["planted"]
        overall = reverse.iloc[0]
        assert overall["average_precision"] < overall["chance_average_precision"]


def test_random_rankings_are_at_chance_within_the_interval() -> None:
    """Over 200 seeds, in 99.9 % intervals: 2 questions of 2 measures each."""
    table = BENCHMARK.score(
        lambda case: og.rank("random", case.activations, seed=case.seed), seeds=200, scenarios=["clear"]
    )
    means = og.mean_recovery(table, level=0.999)
    assert set(means["seeds"]) == {200}
    for _, row in means.iterrows():
        for measure in MEASURES:
            assert row[f"{measure}_low"] < row[f"chance_{measure}"] < row[f"{measure}_high"]
            assert row[f"{measure}_high"] - row[f"{measure}_low"] < 0.06


def test_a_kind_is_compared_with_what_is_not_planted_only() -> None:
    planted = BENCHMARK.plant("copies").planted
    kinds = {"exclusive": 3.0, "copy": 2.0}
    scores = np.array([kinds.get(kind, 1.0) for kind in planted.kind])
    table = rows(og.recovery(planted, ranking_of(planted, scores)), "kind")
    assert table == {"exclusive": [1.0, 1.0], "copy": [1.0, 1.0]}
    scores[planted.kind == "copy"] = 0.0
    table = rows(og.recovery(planted, ranking_of(planted, scores)), "kind")
    assert table["exclusive"] == [1.0, 1.0]
    assert table["copy"][0] == 0.0


def test_where_nothing_is_ranked_everything_is_at_chance() -> None:
    """Overall, for kinds, and for labels, whose scores of 0 rank nothing; and half a ranking."""
    planted = BENCHMARK.plant("copies").planted
    scores = np.full(planted.kind.size, np.nan)
    table = og.recovery(planted, ranking_of(planted, scores, np.zeros((4, scores.size))))
    assert set(table["scope"]) == {"all", "kind", "label"}
    for measure in MEASURES:
        assert table[measure].to_numpy() == pytest.approx(table[f"chance_{measure}"].to_numpy())
    copies = planted.indices("copy")
    scores[copies[:6]] = 1.0
    precision, average = rows(og.recovery(planted, ranking_of(planted, scores)), "kind")["copy"]
    assert precision == pytest.approx((6 + 6 * 6 / 74) / 12)
    assert average == pytest.approx(precision_in_order(np.arange(80) < 12, 6, 12)[1])


def test_a_label_counts_the_neurons_of_other_labels_as_misses() -> None:
    planted = BENCHMARK.plant("clear").planted
    truth = np.isin(planted.kind, INFORMATIVE).astype(float)
    wrong = np.roll(planted.carries.T, 1, axis=0).astype(float)
    table = og.recovery(planted, ranking_of(planted, truth, wrong))
    assert rows(table, "all")[""] == [1.0, 1.0]
    assert [row[0] for row in rows(table, "label").values()] == [0.0] * 4
    assert list(rows(table, "label")) == list(planted.labels)


def test_a_label_that_was_not_learned_has_no_row() -> None:
    planted = BENCHMARK.plant("clear").planted
    truth = np.isin(planted.kind, INFORMATIVE).astype(float)
    complete = ranking_of(planted, truth, planted.carries.T.astype(float))
    assert complete.label_scores is not None
    part = replace(complete, labels=("ADJ", "NOUN"), label_scores=complete.label_scores[[0, 2]])
    assert rows(og.recovery(planted, part), "label") == {"ADJ": [1.0, 1.0], "NOUN": [1.0, 1.0]}


def test_permuting_the_neurons_changes_nothing() -> None:
    case = BENCHMARK.plant("mixed", seed=1)
    planted = case.planted
    scores = np.random.default_rng(2).normal(size=planted.kind.size)
    moved = np.random.default_rng(3).permutation(scores.size)
    again = replace(planted, kind=planted.kind[moved], carries=planted.carries[moved])
    plain, renumbered = (og.recovery(*pair) for pair in (
        (planted, ranking_of(planted, scores)), (again, ranking_of(again, scores[moved])),
    ))  # fmt: skip
    pd.testing.assert_frame_equal(plain, renumbered)


def test_k_is_the_number_planted_or_what_is_asked_for() -> None:
    planted = og.planted(50, seed=1)
    ranking = og.rank("f-statistic", planted.activations, label="upos")
    assert og.recovery(planted, ranking).iloc[0][["k", "planted", "among"]].tolist() == [10, 10, 32]
    asked = og.recovery(planted, ranking, k=2)
    assert set(asked["k"]) == {2}
    assert asked.iloc[0]["precision"] == 1.0
    most = og.recovery(planted, ranking, k=32).iloc[0]
    assert most["precision"] == most["chance_precision"] == pytest.approx(10 / 32)


def test_mean_recovery_is_students_interval() -> None:
    areas = [0.2, 0.5, 0.6, 0.4]
    columns = {"ranking": "a", "scenario": "s", "scope": "all", "name": "", "seed": range(4)}
    table = pd.DataFrame({**columns, "precision": areas, "average_precision": 1.0})
    table[["chance_precision", "chance_average_precision"]] = 0.1
    (row,) = og.mean_recovery(table, level=0.9).to_dict("records")
    low, high = stats.t.interval(0.9, 3, np.mean(areas), stats.sem(areas))
    assert row["precision"] == pytest.approx(np.mean(areas))
    assert (row["precision_low"], row["precision_high"]) == pytest.approx((low, high))
    assert [row[f"average_precision{end}"] for end in ("", "_low", "_high")] == [1.0, 1.0, 1.0]
    assert (row["seeds"], row["chance_precision"]) == (4, pytest.approx(0.1))
    wide = og.mean_recovery(table.assign(precision=[0.0, 1.0, 1.0, 1.0]), level=0.999).iloc[0]
    assert (wide["precision_low"], wide["precision_high"]) == (0.0, 1.0)
    mean_row = og.mean_recovery(table[table["seed"] == 0]).iloc[0]
    assert mean_row["precision"] == 0.2
    assert np.isnan(mean_row["precision_low"])


def test_refusals() -> None:
    case = BENCHMARK.plant("clear")
    ranking = og.rank("std", case.activations)
    for k, message in ((0, "k must be a whole number from 1"), (81, "k must be from 1 to 80")):
        with pytest.raises(ParameterError, match=message):
            og.recovery(case.planted, ranking, k=k)
    with pytest.raises(MismatchError, match="std ranking: expected neurons of"):
        og.recovery(BENCHMARK.plant("mixed").planted, ranking)
    nothing = og.planted(5, neurons=og.PlantedNeurons(0, (), (), 0, 0.1, 0))
    with pytest.raises(ParameterError, match="nothing is planted"):
        og.recovery(nothing, og.rank("std", nothing.activations))
    table = BENCHMARK.score(lambda planted_case: ranking, seeds=1, scenarios=["clear"])
    with pytest.raises(ParameterError, match="no column seed, precision"):
        og.mean_recovery(table.drop(columns=["seed", "precision"]))
    with pytest.raises(ParameterError, match="level must lie between"):
        og.mean_recovery(table, level=1.0)
