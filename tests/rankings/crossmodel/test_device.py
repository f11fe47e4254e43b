"""Comparing models on another device: nothing stays behind, and the results are those of the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from support.devices import run_on

SCRIPT = Path(__file__).with_name("compare_elsewhere.py")


def compared(device: str) -> dict[str, Any]:
    return run_on(device, SCRIPT)


def require_same(results: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(results) == set(expected)
    for name, values in expected.items():
        if values is not None:
            same = [value for value in results[name] if value is not None]
            assert same == pytest.approx([value for value in values if value is not None], abs=1e-4), name


def test_another_device_gives_the_same_and_mixes_nothing_with_the_cpu() -> None:
    require_same(compared("elsewhere"), compared("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_cuda_gives_the_same() -> None:
    require_same(compared("cuda"), compared("cpu"))
