"""Options of the form NAME=VALUE."""

from __future__ import annotations

import json
from typing import Any

from onegrain.errors import ParameterError

__all__ = ["parameters_from", "split_pair"]


def split_pair(text: str, option: str) -> tuple[str, str]:
    """Split NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise ParameterError(f"{option} takes NAME=VALUE, got {text!r}")
    return name, value


def parameters_from(pairs: list[str] | None, option: str = "--set") -> dict[str, Any]:
    """Return the parameters of ``--set NAME=VALUE`` options; a value that is not JSON is text."""
    parameters: dict[str, Any] = {}
    for pair in pairs or []:
        name, value = split_pair(pair, option)
        try:
            parameters[name] = json.loads(value)
        except json.JSONDecodeError:
            parameters[name] = value
    return parameters
