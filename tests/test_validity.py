"""Test the claims of docs/validity.md by its own simulations, with fewer repeats."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from support import ROOT

SCRIPT = ROOT / "benchmarks" / "validity.py"


@pytest.fixture(scope="module")
def validity() -> ModuleType:
    spec = importlib.util.spec_from_file_location("validity", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("null", ["permutation", "rotation"])
@pytest.mark.parametrize(
    ("even", "shared", "tail"),
    [(True, 0.0, None), (True, 0.3, None), (False, 0.3, None), (False, 0.6, 3), (False, 0.3, 2)],
)
def test_noise_seldom_gives_discoveries(
    validity: ModuleType, even: bool, shared: float, tail: int | None, null: str, pooled: bool
) -> None:
    """More than 5 of 25 repeats come once in 800 runs at 5 %; words in random order gave most of them."""
    share = validity.discoveries(even, shared, tail, null, pooled, 25)
    assert share["discoveries"] <= 0.2
    assert share["p<=0.05"] < 0.1


@pytest.mark.slow
def test_spreads_of_ranks_hold_as_often_as_the_page_says_and_those_of_phi_do_not(validity: ModuleType) -> None:
    rates = validity.spreads(6)
    assert rates["bootstrap: rank on a fresh corpus"] > 0.75
    assert rates["halves: rank on a fresh corpus"] > 0.85
    assert rates["halves: Phi of two fresh corpora"] < 0.7


@pytest.mark.slow
def test_intervals_of_a_true_correlation_hold_it(validity: ModuleType) -> None:
    held = validity.intervals(60)
    assert held["MaxCorr of a true partner"] > 0.85
    assert held["MaxCorr without a partner"] < 0.5
