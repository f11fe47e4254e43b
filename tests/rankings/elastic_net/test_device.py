"""Computing on another device: nothing stays behind, and the answer is the CPU's, to the tolerance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import onegrain as og
from onegrain.errors import ParameterError
from support.devices import run_on

SCRIPT = Path(__file__).with_name("solve_elsewhere.py")


def solved(device: str) -> dict[str, Any]:
    return run_on(device, SCRIPT)


def require_same(actual: dict[str, Any], expected: dict[str, Any]) -> None:
    assert actual["objectives"] == pytest.approx(expected["objectives"], rel=1e-4)
    assert actual["accuracies"] == pytest.approx(expected["accuracies"], abs=0.02)
    assert actual["judged"] == pytest.approx(expected["judged"], abs=0.05)
    assert actual["tops"] == expected["tops"]
    assert actual["predicted"] == expected["predicted"]
    assert actual["jaccard"] == pytest.approx(expected["jaccard"], abs=0.3)
    assert actual["gap"] <= 1e-4


def test_another_device_gives_the_same_answer_and_mixes_nothing_with_the_cpu() -> None:
    require_same(solved("elsewhere"), solved("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_cuda_gives_the_same_answer() -> None:
    require_same(solved("cuda"), solved("cpu"))


def test_a_device_that_is_not_there_is_refused_before_any_work() -> None:
    activations = og.planted(60, seed=1).activations
    missing = "cuda:7"
    with pytest.raises(ParameterError, match="device 'cuda:7' cannot be used"):
        og.rank("lca", activations, label="upos", device=missing)
    with pytest.raises(ParameterError, match="device 'nowhere' cannot be used"):
        og.ElasticNetProbe(device="nowhere").fit(activations, activations.layer("upos").labels())
    with pytest.raises(ParameterError, match="has no choice of where it computes"):
        og.rank("random", activations, device="cpu")
