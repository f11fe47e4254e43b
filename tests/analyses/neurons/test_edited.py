"""The damage of the smallest edited set with a neuron: by hand, paired with the intact model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from onegrain.analyses.neurons.edited import damage_by_count, smallest_set
from onegrain.records.curve import Curve
from onegrain.records.provenance import Provenance

COLUMNS = ["line", "neurons", "value", "low", "high"]


def curve_of(metric: str, higher: bool, rows: list[tuple], draws: np.ndarray | None = None) -> Curve:
    points = pd.DataFrame(rows, columns=COLUMNS)
    details = {"random_values": [[1.0], [2.0]]}
    return Curve(metric, higher, "s", points, 10, Provenance(stage="ablate"), details, draws)


BLEU = [
    ("top", 0, 30.0, 29.0, 31.0),
    ("top", 4, 20.0, 19.0, 21.0),
    ("top", 2, 27.0, 26.0, 28.0),
    ("random", 2, 29.5, 29.0, 30.5),
    ("bottom", 2, 30.0, 29.0, 31.0),
]


def test_the_smallest_set_that_holds_a_rank_counts() -> None:
    table = damage_by_count(curve_of("bleu", True, BLEU))
    assert [getattr(smallest_set(table, rank), "neurons", None) for rank in (1, 2, 3, 4, 5)] == [
        2,
        2,
        4,
        4,
        None,
    ]


def test_damage_is_positive_for_the_worse_and_random_orders_stand_beside_it() -> None:
    known = smallest_set(damage_by_count(curve_of("bleu", True, BLEU)), 1)
    assert known is not None
    assert (known.value, known.damage) == (27.0, 3.0)
    assert (known.random, known.random_low, known.random_high, known.random_orders) == (0.5, -0.5, 1.0, 2)
    assert np.isnan([known.low, known.high]).all()
    larger = smallest_set(damage_by_count(curve_of("bleu", True, BLEU)), 3)
    assert larger is not None
    assert larger.damage == 10.0
    assert np.isnan(larger.random)


def test_the_interval_is_paired_with_the_intact_model() -> None:
    draws = np.stack([np.linspace(28, 32, 101), np.linspace(18, 22, 101), np.linspace(25, 29, 101)])
    draws = np.concatenate([draws, np.full((2, 101), 30.0)])
    known = smallest_set(damage_by_count(curve_of("bleu", True, BLEU, draws)), 2)
    assert known is not None
    assert (known.low, known.high) == (pytest.approx(3.0), pytest.approx(3.0))


def test_the_damage_of_a_perplexity_is_in_nats() -> None:
    rows = [("top", 0, 100.0, 90.0, 110.0), ("top", 1, 200.0, 180.0, 220.0), ("random", 1, 110.0, 100.0, 120.0)]
    known = smallest_set(damage_by_count(curve_of("perplexity", False, rows)), 1)
    assert known is not None
    assert known.damage == pytest.approx(np.log(2.0))
    assert (known.random, known.random_low, known.random_high) == pytest.approx((np.log(1.1), 0.0, np.log(1.2)))


def test_a_curve_without_first_neurons_says_nothing() -> None:
    curve = curve_of("bleu", True, [("bottom", 0, 30.0, 29.0, 31.0), ("bottom", 2, 30.0, 29.0, 31.0)])
    assert damage_by_count(curve).empty
    assert smallest_set(damage_by_count(curve), 1) is None
