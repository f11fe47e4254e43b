"""How long a ranking is said to take: by its shape and the speed of products, and only above a minute."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from onegrain.rankings.lca import estimate
from onegrain.rankings.lca.estimate import describe_estimate, estimate_seconds, product_speed
from onegrain.rankings.lca.options import LcaOptions

SHAPE = 20_000, 3_000, 17
CPU = torch.device("cpu")


def seconds(shape: tuple[int, int, int] = SHAPE, speed: float = 1e11, **options: Any) -> float:
    return estimate_seconds(shape, LcaOptions(**options), speed)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_time_is_proportional_to_words_neurons_and_labels(axis: int) -> None:
    longer = tuple(3 * size if number == axis else size for number, size in enumerate(SHAPE))
    assert seconds(longer) == pytest.approx(3.0 * seconds())  # type: ignore[arg-type]


def test_the_time_grows_with_the_pairs_and_with_the_evaluation_and_falls_with_the_speed() -> None:
    assert seconds(speed=2e11) == pytest.approx(seconds() / 2.0)
    grid = seconds(evaluate=False)
    assert grid < seconds()
    assert grid == pytest.approx(25 * seconds(evaluate=False, lambda1=1e-3, lambda2=1e-3))
    assert seconds() - grid == pytest.approx(
        seconds(lambda1=1e-3, lambda2=1e-3) - seconds(evaluate=False, lambda1=1e-3, lambda2=1e-3)
    )


def test_less_than_a_minute_is_not_said_and_small_tasks_measure_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = 1e11 * seconds() / 59.0
    assert describe_estimate(SHAPE, LcaOptions(), CPU, fast) is None
    monkeypatch.setattr(estimate, "product_speed", lambda device: pytest.fail("measured"))
    assert describe_estimate((2_000, 300, 17), LcaOptions(), CPU) is None


@pytest.mark.parametrize(
    ("longer", "text"),
    [(62.0, "1 minute:"), (200.0, "3 minutes:"), (1130.0, "20 minutes:"), (7000.0, "120 minutes:")],
)
def test_minutes_are_rounded_more_the_longer_it_takes(longer: float, text: str) -> None:
    shown = describe_estimate(SHAPE, LcaOptions(), CPU, 1e11 * seconds() / longer)
    assert shown is not None
    assert shown.startswith(f"lca will take about {text} 20,000 words, 3,000 neurons, 17 labels, 25 pairs")


def test_the_speed_of_products_is_measured() -> None:
    assert 1e7 < product_speed(CPU) < 1e15
