from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from onegrain.analyses.judging.agreement import agreement, overlap, spearman_interval
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.errors import MismatchError, ParameterError


def three(make) -> dict:
    base = np.arange(20, 0, -1, dtype=float)
    other = np.roll(base, 10)
    return {n: make(s[None], ("a",)) for n, s in (("x", base), ("twin", base * 2), ("far", other))}


def test_planted_twin_and_stranger(make) -> None:
    table = overlap(three(make), 10).set_index(["first", "second"])
    assert table.loc[("x", "twin"), "jaccard"] == 1.0
    assert table.loc[("x", "far"), "shared"] == 0
    assert table.loc[("x", "far"), "p"] == 1.0
    assert table.loc[("x", "twin"), "expected"] == pytest.approx(5)


def test_average_overlap_against_plain_sets(make) -> None:
    rankings = three(make)
    overlaps = agreement(rankings, [5, 12]).set_index(["ranking", "k"])["average_overlap"]
    for k in (5, 12):
        tops = {name: set(r.order[:k].tolist()) for name, r in rankings.items()}
        for name in rankings:
            others = [tops[o] for o in rankings if o != name]
            mean = np.mean([len(tops[name] & o) / len(tops[name] | o) for o in others])
            assert overlaps[(name, k)] == pytest.approx(mean)


def test_unranked_neurons_do_not_agree(make) -> None:
    first = make(np.array([[1.0, 0, 0, 0]]), ("a",))
    second = make(np.array([[0, 0, 0, 1.0]]), ("a",))
    assert overlap({"a": first, "b": second}, 3)["shared"].tolist() == [0]


def test_refusals(make, random_ranking) -> None:
    with pytest.raises(ParameterError, match="at least two"):
        overlap({"a": random_ranking})
    with pytest.raises(MismatchError, match="cannot be compared"):
        overlap({"a": random_ranking, "b": make(np.ones((1, 60)), ("a",))})


def test_all_pairs_and_sizes_are_corrected_together(random_ranking) -> None:
    table = overlap({"a": random_ranking, "b": random_ranking, "c": random_ranking}, [5, 10])
    assert len(table) == 6
    assert table["q"].to_numpy() == pytest.approx(adjusted_p_values(table["p"].to_numpy()))


def test_the_interval_of_a_correlation_covers_it() -> None:
    rng = np.random.default_rng(0)
    pearson = 0.6
    true = 6 / np.pi * np.arcsin(pearson / 2)  # Spearman's correlation of a bivariate normal distribution
    covered = 0
    for _ in range(1000):
        both = rng.multivariate_normal([0, 0], [[1, pearson], [pearson, 1]], size=50)
        low, high = spearman_interval(float(spearmanr(both).statistic), 50)
        covered += low <= true <= high
    assert 930 <= covered <= 970


def test_an_interval_without_enough_neurons_is_unknown() -> None:
    assert np.isnan(spearman_interval(0.5, 3)).all()
    assert np.isnan(spearman_interval(float("nan"), 100)).all()
    low, high = spearman_interval(1.0, 100)
    assert 0.999 < low <= high <= 1.0
    with pytest.raises(ParameterError, match="level must be between 0 and 1"):
        spearman_interval(0.5, 100, level=1.0)
