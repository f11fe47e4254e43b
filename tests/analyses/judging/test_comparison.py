"""Rankings in one table: what it takes from its parts, who judges, and which records do not belong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import onegrain as og
from onegrain.analyses import ablation_areas, agreement, kept_areas, rank_agreement, vote_agreement
from onegrain.errors import MismatchError, ParameterError
from support.planted import plant


@pytest.fixture(scope="module")
def rankings() -> dict[str, og.Ranking]:
    acts = plant(80).activations
    by_name = {name: og.rank(name, acts, label="upos") for name in ("f-statistic", "probeless", "auroc")}
    return {**by_name, "chance": og.rank("random", acts, seed=3), "elected": og.neuron_vote(by_name)}


@pytest.fixture(scope="module")
def evaluation(rankings: dict[str, og.Ranking]) -> og.Evaluation:
    options = {"counts": (2, 8), "lambda2": 1e-3, "resamples": 30, "random_orders": 1}
    return og.evaluate(
        rankings, plant(60, seed=1).activations, plant(40, seed=2).activations, label="upos", **options
    )


def curve_of(ranking: og.Ranking, values: list[float], order: str | None = None) -> og.Curve:
    rows = [("top", count, value, value, value) for count, value in zip((0, 10, 32), values, strict=True)]
    points = pd.DataFrame(rows, columns=["line", "neurons", "value", "low", "high"])
    provenance = og.Provenance(stage="ablate", inputs=(ranking.provenance,))
    draws = np.repeat(np.array(values)[:, None], 5, axis=1)
    details = {"order": ranking.order_hash if order is None else order}
    return og.Curve("bleu", True, "s", points, 32, provenance, details, draws)


def test_the_table_holds_what_its_parts_say(rankings, evaluation) -> None:
    curves = {"auroc": curve_of(rankings["auroc"], [30.0, 10.0, 0.0])}
    comparison = og.compare_rankings(rankings, evaluation, curves, k=6, ballots=12)
    judges = ["f-statistic", "probeless", "auroc"]
    assert comparison.judges == tuple(judges)
    table = comparison.table.set_index("ranking")
    assert table.index.tolist() == [*rankings, "(random orders)"]
    areas, erased = kept_areas(evaluation), ablation_areas(curves)
    overlaps = agreement(rankings, 6, judges=judges).set_index("ranking")
    votes = vote_agreement(rankings, 6, ballots=12, judges=judges).set_index("ranking")
    for name in rankings:
        for kind in ("masking", "retraining"):
            row = table.loc[name, [kind, f"{kind}_low", f"{kind}_high"]].tolist()
            assert row == pytest.approx(areas.of(kind, name))
        assert table.loc[name, "average_overlap"] == overlaps.loc[name, "average_overlap"]
        assert table.loc[name, "vote_overlap"] == votes.loc[name, "vote_overlap"]
        assert table.loc[name, "ranked"] == rankings[name].n_ranked
    assert table.loc["(random orders)", "masking"] == areas.of("masking", None, "random")[0]
    assert table.loc["auroc", "ablation"] == erased.of("ablation", "auroc")[0]
    assert table["ablation"].notna().sum() == 1
    assert comparison.measured == ("masking", "retraining", "ablation")


def test_correlations_are_the_mean_over_the_other_judges(rankings) -> None:
    comparison = og.compare_rankings(rankings)
    assert comparison.areas is None
    assert comparison.measured == ()
    pairs = rank_agreement(rankings)
    table = comparison.table.set_index("ranking")
    for name in rankings:
        others = {"f-statistic", "probeless", "auroc"} - {name}
        agreements = [
            row.spearman
            for row in pairs.itertuples()
            if (row.first == name and row.second in others) or (row.second == name and row.first in others)
        ]
        assert table.loc[name, "spearman"] == pytest.approx(np.mean(agreements))
    assert len(comparison.pairs) == 10
    assert set(pairs.columns) <= set(comparison.pairs.columns)


def test_a_random_order_is_judged_but_changes_no_other_row(rankings) -> None:
    few = {name: rankings[name] for name in ("f-statistic", "probeless", "auroc")}
    first, second = og.compare_rankings(rankings, k=5).table, og.compare_rankings(few, k=5).table
    pd.testing.assert_frame_equal(first.iloc[:3], second)


def test_records_of_other_rankings_are_refused(rankings, evaluation) -> None:
    first = next(iter(rankings.values()))
    with pytest.raises(ParameterError, match="at least two"):
        og.compare_rankings({"a": first})
    with pytest.raises(MismatchError, match="not of this ranking 'new'"):
        og.compare_rankings({**rankings, "new": first}, evaluation)
    with pytest.raises(MismatchError, match="no such ranking"):
        og.compare_rankings(rankings, curves={"new": curve_of(first, [3.0, 2.0, 1.0])})
    with pytest.raises(MismatchError, match="another order than that of ranking 'auroc'"):
        og.compare_rankings(rankings, curves={"auroc": curve_of(first, [3.0, 2.0, 1.0])})
    old = replace(curve_of(first, [3.0, 2.0, 1.0]), details={})
    assert og.compare_rankings(rankings, curves={"f-statistic": old}).measured == ("ablation",)
    with pytest.raises(MismatchError, match="another order"):
        og.compare_rankings(rankings, curves={"auroc": old})
    first, second = (og.rank("std", plant(20, model=model).activations) for model in ("one", "two"))
    with pytest.raises(MismatchError, match="different models"):
        og.compare_rankings({"one": first, "two": second})
