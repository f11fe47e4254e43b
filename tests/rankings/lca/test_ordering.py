"""The neuron ordering: against the paper's loop, on a worked example, and on what never changes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onegrain.core.ordering import shuffled_places
from onegrain.rankings.lca.ordering import order_neurons

WEIGHTS = arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.integers(-6, 6))


def paper_loop(weights: np.ndarray) -> tuple[list[int], list[tuple[int, int]]]:
    """The ordering by its definition, in exact arithmetic; weights are whole numbers."""
    order: list[int] = []
    cutoffs = []
    places = shuffled_places(weights.shape[1]).tolist()
    neurons = range(weights.shape[1])
    for p in range(1, 101):
        union, shares = set(), {}
        for row in np.abs(weights).tolist():
            total = sum(row)
            if total == 0:
                continue
            held = Fraction(0)
            for neuron in sorted(neurons, key=lambda n, row=row: (-row[n], places[n])):
                shares[neuron] = max(shares.get(neuron, Fraction(0)), Fraction(row[neuron], total))
                if held < Fraction(p, 100) and row[neuron]:
                    union.add(neuron)
                held += Fraction(row[neuron], total)
        new = sorted(union - set(order), key=lambda n: (-shares[n], places[n]))
        order += new
        if new:
            cutoffs.append((p, len(order)))
    return order, cutoffs


@settings(max_examples=50, deadline=None)
@given(WEIGHTS)
def test_equals_the_loop_of_the_paper(weights: np.ndarray) -> None:
    ordering = order_neurons(weights)
    expected, cutoffs = paper_loop(weights)
    assert ordering.order[: ordering.n_ranked].tolist() == expected
    assert list(ordering.cutoffs) == cutoffs
    unranked = [n for n in range(weights.shape[1]) if not weights[:, n].any()]
    assert sorted(ordering.order[ordering.n_ranked :].tolist()) == unranked


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (3, 15), elements=st.floats(-1e3, 1e3) | st.just(0.0)))
def test_is_a_permutation_and_ranks_exactly_the_neurons_with_a_weight(weights: np.ndarray) -> None:
    ordering = order_neurons(weights)
    assert sorted(ordering.order.tolist()) == list(range(15))
    assert ordering.n_ranked == int(weights.any(axis=0).sum())
    assert weights[:, ordering.order[: ordering.n_ranked]].any(axis=0).all()
    assert (np.diff(ordering.scores[ordering.order]) <= 0.0).all()
    assert (np.diff(ordering.entry[ordering.order[: ordering.n_ranked]]) >= 0).all()


def test_a_worked_example() -> None:
    weights = np.array([[0.0, 50.0, -30.0, 20.0, 0.0], [10.0, 0.0, 0.0, -90.0, 0.0]])
    ordering = order_neurons(weights)
    assert ordering.order.tolist() == [3, 1, 2, 0, 4]
    assert ordering.entry.tolist() == [91, 1, 51, 1, 0]
    assert ordering.cutoffs == ((1, 2), (51, 3), (91, 4))
    assert ordering.n_ranked == 4
    assert ordering.scores[3] == pytest.approx((100 - 1 + 0.9) / 100)


@pytest.mark.parametrize("size", [3, 7, 10, 49, 1000])
def test_rounding_loses_no_neuron(size: int) -> None:
    for weights in (np.full((1, size), 0.1), np.geomspace(1.0, 1e-18, size)[None], np.full((2, size), 1e-300)):
        assert order_neurons(weights).n_ranked == size


def test_permuting_the_neurons_permutes_the_order() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 30))
    moved = rng.permutation(30)
    assert moved[order_neurons(weights[:, moved]).order].tolist() == order_neurons(weights).order.tolist()


def test_no_weight_at_all_ranks_nothing() -> None:
    ordering = order_neurons(np.zeros((2, 4)))
    assert (sorted(ordering.order.tolist()), ordering.n_ranked, ordering.cutoffs) == ([0, 1, 2, 3], 0, ())


def test_unranked_neurons_stand_by_how_near_each_was_to_a_weight() -> None:
    weights = np.zeros((2, 6))
    weights[0, 4] = 1.0
    slopes = np.array([[0.1, 0.0, 0.3, 0.0, 9.0, 0.2], [0.2, 0.0, 0.0, 0.4, 9.0, 0.1]])
    ordering = order_neurons(weights, slopes)
    assert ordering.order[:5].tolist() == [4, 3, 2, *sorted([0, 5], key=lambda n: shuffled_places(6)[n])]
    assert ordering.order[5] == 1


def test_equal_neurons_stand_in_an_order_drawn_from_the_seed() -> None:
    weights = np.zeros((1, 400))
    weights[0, :200] = 1.0
    first, again, other = (order_neurons(weights, seed=seed).order for seed in (3, 3, 4))
    assert first.tolist() == again.tolist() != other.tolist()
    for part in (first[:200], first[200:]):
        assert abs(np.corrcoef(part, np.arange(200))[0, 1]) < 0.25
