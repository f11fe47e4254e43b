from __future__ import annotations

import numpy as np
import pytest
import torch

from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import EDITS, Zero, find_edit


@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6), (2, 2, 3, 6)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_zero_touches_only_its_units(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    value = torch.randn(shape).to(dtype)
    before = value.clone()
    edited = Zero().at("layers.0", np.array([1, 4]))(value)
    assert edited.dtype == dtype
    assert not edited[..., [1, 4]].any()
    assert torch.equal(edited[..., [0, 2, 3, 5]], before[..., [0, 2, 3, 5]])
    assert torch.equal(value, before)


def test_zero_is_zero_also_where_the_value_was_not_finite() -> None:
    edited = Zero().at("layers.0", np.array([0, 1]))(torch.tensor([torch.nan, torch.inf, 3.0]))
    assert edited.tolist() == [0.0, 0.0, 3.0]


def test_zero_equals_a_mask() -> None:
    value, mask = torch.randn(4, 5, 7), torch.ones(7)
    mask[[0, 6]] = 0
    assert torch.equal(Zero().at("layers.0", np.array([6, 0]))(value), value * mask)


def test_an_unknown_edit_is_refused() -> None:
    assert find_edit("zero") is EDITS["zero"]
    with pytest.raises(ParameterError, match=r"no edit 'mean'; the edits are: zero"):
        find_edit("mean")
