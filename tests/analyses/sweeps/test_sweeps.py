"""Areas, paired tests and robustness of sweeps, against computations by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from onegrain.analyses import ablation_areas, robustness, significance
from onegrain.analyses.sweeps.robustness import concordances, kendall
from onegrain.analyses.sweeps.significance import smallest_exceeding
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.errors import ParameterError
from support.sweeps import sweep_of

COUNTS = (0, 10, 20, 40)


def noisy(slope: float, seed: int) -> np.ndarray:
    """Return the nats per token of 60 sentences at each of the counts, (counts, sentences)."""
    rng = np.random.default_rng(seed)
    return 1.0 + np.array(COUNTS)[:, None] / 40 * (slope + rng.standard_normal(60))


SLOPES: Mapping[str, Mapping[str, float]] = {
    "zero": {"a": 2.0, "b": 1.0, "c": 0.0},
    "mean": {"a": 1.5, "b": 0.8, "c": 0.1},
    "mode": {"a": 0.0, "b": 1.0, "c": 2.0},
}


def losses() -> dict[tuple[str, str, str, int], np.ndarray]:
    """Return (ranking, edit, line, order) -> nats per token."""
    table = {}
    for e, (edit, slopes) in enumerate(SLOPES.items()):
        for r, (ranking, slope) in enumerate(slopes.items()):
            table[ranking, edit, "top", 0] = noisy(slope, 10 * e + r)
            for order in range(4):
                table[ranking, edit, "random", order] = noisy(0.05 * order, 100 + 10 * (10 * e + r) + order)
    return table


def area(values: np.ndarray) -> np.ndarray:
    """Return the mean of a line over the counts, by the rule of trapezoids, less its first value."""
    x = np.array(COUNTS, dtype=float)
    return ((values[1:] + values[:-1]) / 2 * np.diff(x)[:, None]).sum(0) / 40 - values[0]


def test_areas_and_gaps_are_those_of_the_curves() -> None:
    sweep = sweep_of(losses(), COUNTS)
    result = significance(sweep)
    for edit in SLOPES:
        curves = {ranking: sweep.curve(ranking, edit=edit) for ranking in "abc"}
        areas = ablation_areas(curves)
        rows = result.areas[result.areas["edit"] == edit].set_index(["ranking", "line"])
        for ranking in "abc":
            for line in ("top", "random"):
                mine = rows.loc[(ranking, line), ["area", "low", "high"]].tolist()
                assert mine == pytest.approx(areas.of("ablation", ranking, line))
                parts = [v for (r, e, n, _), v in losses().items() if (r, e, n) == (ranking, edit, line)]
                expected = np.mean([area(part.mean(1, keepdims=True))[0] for part in parts])
                assert mine[0] == pytest.approx(expected, rel=0.05, abs=0.02)
    differences = result.differences.set_index(["edit", "first", "second"])
    gaps = ablation_areas({ranking: sweep.curve(ranking, edit="zero") for ranking in "abc"}).differences
    for row in gaps.itertuples():
        mine = differences.loc[("zero", row.first, row.second), ["difference", "low", "high"]].tolist()
        assert mine == pytest.approx([row.difference, row.low, row.high])


def test_the_tests_find_what_is_there_and_not_what_is_not() -> None:
    result = significance(sweep_of(losses(), COUNTS))
    table = result.against_random.set_index(["edit", "ranking"])
    assert table.loc["zero", "q"]["a"] < 0.01
    assert table.loc["zero", "gap"]["a"] > 0
    assert table.loc["zero", "q"]["c"] > 0.05
    assert table.loc[("zero", "a"), "exceeded"] == table.loc[("zero", "a"), "orders"] == 4
    assert table.loc[("zero", "a"), "p_orders"] == pytest.approx(1 / 5)
    assert table["q"].tolist() == pytest.approx(adjusted_p_values(table["p"].to_numpy()).tolist())
    assert ((table["low"] <= table["gap"]) & (table["gap"] <= table["high"])).all()


def test_a_top_that_is_one_more_random_order_has_any_rank() -> None:
    """The top is one more random order: its rank among them is any of them alike."""
    ranks = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        table = {}
        for line, orders in (("top", 1), ("random", 8)):
            for order in range(orders):
                own = 0.3 * rng.standard_normal()
                noise = rng.standard_normal(60)
                table["a", "zero", line, order] = 1.0 + np.array(COUNTS)[:, None] / 40 * (own + noise)
        row = significance(sweep_of(table, COUNTS, resamples=20)).against_random.iloc[0]
        ranks.append(row["p_orders"])
    assert (np.array(ranks) <= 1 / 9 + 1e-9).mean() < 0.25
    assert 0.4 < np.mean(ranks) < 0.7


def test_the_smallest_number_that_exceeds_every_random_order() -> None:
    def flat(*values: float) -> np.ndarray:
        return np.repeat(np.array(values)[:, None], 5, axis=1)

    table = {
        ("a", "zero", "top", 0): flat(1.0, 1.2, 1.9, 2.5),
        ("a", "zero", "random", 0): flat(1.0, 1.1, 1.2, 1.3),
        ("a", "zero", "random", 1): flat(1.0, 1.3, 1.4, 3.2),
    }
    sweep = sweep_of(table, COUNTS)
    assert smallest_exceeding(sweep.curve()) == 20.0
    row = significance(sweep).against_random.iloc[0]
    assert (row["smallest"], row["smallest_share"]) == (20.0, 0.5)
    assert (row["exceeded"], row["orders"]) == (1, 2)
    never = {**table, ("a", "zero", "top", 0): flat(1.0, 1.0, 1.0, 1.0)}
    assert np.isnan(smallest_exceeding(sweep_of(never, COUNTS).curve()))


def test_robustness_compares_the_orders_of_merit() -> None:
    result = robustness(sweep_of(losses(), COUNTS))
    pairs = result.agreement.set_index(["first", "second"])
    assert pairs.loc[("zero", "mean"), "kendall"] == 1.0
    assert pairs.loc[("zero", "mode"), "kendall"] == -1.0
    assert pairs.loc[("zero", "mean"), "low"] > 0.3
    assert pairs.loc[("zero", "mode"), "high"] < 0
    assert result.against == "random"
    places = result.merits[result.merits["edit"] == "zero"].set_index("ranking")["place"]
    assert places.to_dict() == {"a": 1, "b": 2, "c": 3}
    overall = result.overall.iloc[0]
    assert (overall["edits"], overall["items"]) == (3, 3)
    # places 1 2 3, 1 2 3, 3 2 1: sums 5 6 7, squared deviations 2, W = 12 * 2 / (9 * 24)
    assert overall["concordance"] == pytest.approx(1 / 9)


def test_kendalls_coefficients() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((6, 4)), rng.random((6, 4))
    expected = [kendalltau(first[:, n], second[:, n]).statistic for n in range(4)]
    assert kendall(first, second).tolist() == pytest.approx(expected)
    both = concordances(np.stack([first, -first]))
    assert both.tolist() == pytest.approx([0.0] * 4)


def test_robustness_needs_several_edits_and_rankings() -> None:
    table = losses()
    with pytest.raises(ParameterError, match="two or more edits"):
        robustness(sweep_of({key: value for key, value in table.items() if key[1] == "zero"}, COUNTS))
    with pytest.raises(ParameterError, match="two or more rankings"):
        robustness(sweep_of({key: value for key, value in table.items() if key[0] == "a"}, COUNTS))


def test_values_without_damage_leave_the_rest() -> None:
    table = losses()
    table["a", "zero", "top", 0] = np.full((4, 60), np.inf)
    sweep = sweep_of(table, COUNTS)
    result = significance(sweep)
    rows = result.against_random
    assert not len(rows[(rows["ranking"] == "a") & (rows["edit"] == "zero")])
    assert len(rows) == 8
    assert isinstance(robustness(sweep).overall, pd.DataFrame)
