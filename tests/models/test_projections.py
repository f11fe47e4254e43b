"""A projection without its constant inputs gives what the whole projection gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from onegrain.models import projections
from onegrain.models.projections import TransposedWeights, leaving_out_constants, project_parts


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("share", [0.0, 1.1], ids=["left out", "kept"])
def test_constant_inputs_are_multiplied_once(share: float, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "LEAST_SHARE", share)
    source = torch.Generator().manual_seed(0)
    linear, values = nn.Linear(8, 5, bias=bias), torch.randn(6, 3, 8, generator=source)
    values[:2, :, [1, 4]] = 0.0
    values[2:5, :, 3] = 2.5
    with torch.no_grad():
        expected = linear(values)
        with leaving_out_constants(linear, [2, 3, 1], TransposedWeights()):
            result = linear(values)
            other = linear(values[:4])
    torch.testing.assert_close(result, expected)
    assert torch.equal(other, expected[:4])
    assert "forward" not in vars(linear)


def products(values: torch.Tensor, linear: nn.Linear, parts: list[int]) -> int:
    """Count the multiplications of matrices for each row and each output."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter, leaving_out_constants(linear, parts, TransposedWeights()):
        linear(values)
    return counter.get_total_flops() // (2 * linear.out_features)


def test_only_the_inputs_that_vary_are_multiplied() -> None:
    linear, values = nn.Linear(8, 5), torch.randn(4, 3, 8)
    assert products(values, linear, [2, 2]) == 12 * 8
    values[:2, :, :3] = 0.0
    assert products(values, linear, [2, 2]) == 6 * 5 + 6 * 8


@pytest.mark.parametrize("bias", [True, False])
def test_variants_are_projected_as_each_alone(bias: bool) -> None:
    linear, values = nn.Linear(8, 5, bias=bias), torch.randn(1, 3, 8).repeat(6, 1, 1)
    values[1, :, 2:4] = 0.0
    values[2, :, 2:6] = 0.0
    values[3] *= torch.linspace(0.5, 2, 8)
    values[4:, :, 2] = 1e6  # too large to be what another variant starts from
    values[5, :, 2] = 0.0
    parts = [(row, row + 1) for row in range(6)]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        result = project_parts(values, linear.weight, linear.bias, parts, TransposedWeights())
    with torch.no_grad():
        torch.testing.assert_close(result, linear(values), rtol=1e-5, atol=1e-5)
    # all inputs, the two that differ, the two more, all, the last seven without the constant one, all but it
    assert counter.get_total_flops() // (2 * 5 * 3) <= 8 + 2 + 2 + 8 + 8 + 8


def test_values_that_are_not_finite_stay_in_their_variant() -> None:
    linear, values = nn.Linear(8, 5), torch.randn(1, 3, 8).repeat(4, 1, 1)
    values[1, 0, 2], values[2, 0, 3] = float("inf"), float("nan")
    with torch.no_grad():
        parts = [(row, row + 1) for row in range(4)]
        result = project_parts(values, linear.weight, linear.bias, parts, TransposedWeights())
        torch.testing.assert_close(result, linear(values), equal_nan=True)


def test_another_module_runs_as_it_is() -> None:
    module = nn.Identity()
    with (
        leaving_out_constants(module, [1], TransposedWeights()),
        leaving_out_constants(None, [1], TransposedWeights()),
    ):
        assert "forward" not in vars(module)
