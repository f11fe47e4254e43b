"""Check the further parameters of an entry against the function that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["require_parameters"]

SET_BY_STUDY = ("seed", "progress", "checkpoint")
"""Parameters that a study sets for every entry."""


def require_parameters(
    function: Callable[..., Any],
    parameters: Mapping[str, Any],
    *,
    keys: Iterable[str] = (),
    more: Iterable[str] = (),
) -> None:
    """Check that a function takes every parameter of an entry by keyword.

    Args:
        function: the function.
        parameters: the entry's parameters.
        keys: parameters of the function that the entry has keys for.
        more: names that the function passes on to others.

    Raises:
        ValueError: a name is unknown, or is set elsewhere.

    >>> def measure(*, k: int, seed: int) -> None: ...
    >>> require_parameters(measure, {"kk": 3})
    Traceback (most recent call last):
    ...
    ValueError: measure takes no parameter kk; there are: k
    """
    signature = inspect.signature(function).parameters.values()
    accepted = [each.name for each in signature if each.kind is inspect.Parameter.KEYWORD_ONLY]
    elsewhere = {*SET_BY_STUDY, *keys}
    if taken := [name for name in parameters if name in elsewhere]:
        remedy = "the study's own seed" if taken[0] in SET_BY_STUDY else f"the key {taken[0]!r} of the entry"
        raise ValueError(f"parameters hold {taken[0]!r}; use {remedy}")
    known = [name for name in (*accepted, *more) if name not in elsewhere]
    if unknown := [name for name in parameters if name not in known]:
        raise ValueError(
            f"{function.__name__} takes no parameter {', '.join(unknown)}; there are: {', '.join(known)}"
        )
