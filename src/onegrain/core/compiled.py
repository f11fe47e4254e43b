"""A decorator that compiles loops over values for this machine's processor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers with Numba when it is first called.

    The compiled function releases Python's global lock, so threads run in parallel. Operations keep the order
    of the source, without fast-math, and a division by zero gives what NumPy gives.

    The machine code is cached beside the source or, if that folder cannot be written, in the user's cache
    folder; if neither can be written, every process compiles anew. Numba checks only the file of the function
    for changes, so compiled functions that call one another, and the constants that they use, belong in one
    file.
    """
    compile = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return cast(Function, compile(function, cache=True))
    except RuntimeError:  # no folder for the cache can be written
        return cast(Function, compile(function))
