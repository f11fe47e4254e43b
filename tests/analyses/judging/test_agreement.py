from __future__ import annotations

import numpy as np
import pytest

from onegrain.analyses.judging.agreement import agreement, overlap
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
