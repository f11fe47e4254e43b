"""The values that the dictionaries of the tests read."""

from __future__ import annotations

import pytest
import torch

from support.saelens import WIDTH


@pytest.fixture
def values() -> torch.Tensor:
    return 2 * torch.randn(3, 4, WIDTH, generator=torch.Generator().manual_seed(7)) + 0.5
