"""A projection without its constant inputs gives what the whole projection gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onegrain.models import constant_columns
from onegrain.models.constant_columns import leaving_out_constants


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("share", [0.0, 1.1], ids=["left out", "kept"])
def test_constant_inputs_are_multiplied_once(share: float, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constant_columns, "LEAST_SHARE", share)
    source = torch.Generator().manual_seed(0)
    linear, values = nn.Linear(8, 5, bias=bias), torch.randn(6, 3, 8, generator=source)
    values[:2, :, [1, 4]] = 0.0
    values[2:5, :, 3] = 2.5
    with torch.no_grad():
        expected = linear(values)
        with leaving_out_constants(linear, [2, 3, 1]):
            result = linear(values)
            other = linear(values[:4])
    torch.testing.assert_close(result, expected)
    assert torch.equal(other, expected[:4])
    assert "forward" not in vars(linear)


def test_only_the_inputs_that_vary_are_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    project = constant_columns.F.linear

    def counting(values: torch.Tensor, *arguments: torch.Tensor) -> torch.Tensor:
        if values.dim() > 1:
            widths.append(values.shape[-1])
        return project(values, *arguments)

    monkeypatch.setattr(constant_columns.F, "linear", counting)
    linear, values = nn.Linear(8, 5), torch.randn(4, 3, 8)
    values[:2, :, :3] = 1.0
    with torch.no_grad(), leaving_out_constants(linear, [2, 2]):
        linear(values)
    assert widths == [5, 8]


def test_another_module_runs_as_it_is() -> None:
    module = nn.Identity()
    with leaving_out_constants(module, [1]), leaving_out_constants(None, [1]):
        assert "forward" not in vars(module)
