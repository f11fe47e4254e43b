"""Loops over values that are compiled for this machine's processor."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of arrays and numbers with Numba, when it is first called.

    It runs without Python's lock, so threads work side by side. Operations are taken in the order that the
    source says, without fast-math, and a division by zero gives what numpy's does.

    The machine code is kept beside the source or, where nothing can be written there, in the user's cache;
    where neither can be, every process compiles anew. It is made again when the file of the function changes:
    compiled functions that call one another, and the constants that they name, belong in one file.
    """
    compile = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return cast(Function, compile(function, cache=True))
    except RuntimeError:  # there is no folder for the cache
        return cast(Function, compile(function))
