"""Checks of options that many methods have: counts, flags, and choices from a list."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from onegrain.errors import ParameterError

__all__ = ["require_choice", "require_count", "require_flag"]


def require_count(name: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """Raise ParameterError unless an option is a whole number from ``least`` to ``most`` (no limit if None).

    >>> require_count("draws", 0)
    Traceback (most recent call last):
    ...
    onegrain.errors.ParameterError: draws must be a whole number from 1, got 0
    """
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or value < least or (most is not None and value > most):
        limit = "" if most is None else f" to {most}"
        raise ParameterError(f"{name} must be a whole number from {least}{limit}, got {value!r}")


def require_flag(name: str, value: Any) -> None:
    """Raise ParameterError unless an option is true or false."""
    if not isinstance(value, bool):
        raise ParameterError(f"{name} must be true or false, got {value!r}")


def require_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise ParameterError unless an option is one of the choices."""
    if value not in choices:
        raise ParameterError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
