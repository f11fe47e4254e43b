"""Checks of options: what they accept, and what they refuse with which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onegrain.core.options import require_choice, require_count, require_flag
from onegrain.errors import ParameterError


@pytest.mark.parametrize("value", [2, 256, np.int64(3)])
def test_a_count_may_be_any_integer_inside_its_limits(value: Any) -> None:
    require_count("bins", value, 2, 256)


@pytest.mark.parametrize("value", [1, 257, 2.0, "2", None, True])
def test_other_values_are_no_counts(value: Any) -> None:
    with pytest.raises(ParameterError, match=f"bins must be a whole number from 2 to 256, got {value!r}"):
        require_count("bins", value, 2, 256)


def test_a_flag_is_true_or_false() -> None:
    require_flag("exact", True)
    for value in (1, "yes", None):
        with pytest.raises(ParameterError, match="exact must be true or false, got"):
            require_flag("exact", value)


def test_a_choice_is_in_the_list() -> None:
    require_choice("mode", "all", ("all", "some"))
    with pytest.raises(ParameterError, match="mode must be one of all, some, got 'none'"):
        require_choice("mode", "none", ("all", "some"))
