"""Passes that several variants of a model run together, with the rows of one variant after those of another.

Code that passes rows through a model calls :func:`run_rows` around the pass. Outside a block of
:func:`answering` that changes nothing. Inside, the block runs the pass for all variants at once and returns
the results of the variant that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from onegrain.core.interruption import check_interruption
from onegrain.models.passing import current_rows, reading_rows

__all__ = ["Compute", "RowPass", "Stack", "answering", "current_stack", "reading_part", "run_rows", "stacked"]

Compute = Callable[[Sequence[Any]], tuple[Any, ...]]
"""A function from rows to tensors or lists with one entry for each row."""


@dataclass(frozen=True, eq=False)
class Stack:
    """The variants that the rows of a pass belong to.

    Attributes:
        variants: int64 (rows,), ascending: the variant of each row.
        size: the number of variants.
    """

    variants: np.ndarray
    size: int

    @classmethod
    def of(cls, size: int, rows: int) -> Stack:
        """Return the stack in which each of ``size`` variants has the same number of rows."""
        return cls(np.repeat(np.arange(size), rows), size)

    def take(self, rows: np.ndarray) -> Stack:
        """Return the stack of some of the rows, int64, ascending."""
        return Stack(self.variants[rows], self.size)

    def bounds(self) -> list[tuple[int, int]]:
        """Return the half-open range of the rows of each variant."""
        ends = np.searchsorted(self.variants, np.arange(self.size + 1)).tolist()
        return list(pairwise(ends))


_stack: ContextVar[Stack | None] = ContextVar("stack", default=None)


def current_stack() -> Stack | None:
    """Return the stack of the pass that is running, or None."""
    return _stack.get()


@contextmanager
def stacked(stack: Stack | None) -> Iterator[None]:
    """Say which variants the rows of the passes inside a ``with`` block belong to."""
    token = _stack.set(stack)
    try:
        yield
    finally:
        _stack.reset(token)


@contextmanager
def reading_part(rows: np.ndarray) -> Iterator[None]:
    """Say that the passes inside a ``with`` block read only some of the current rows, int64, ascending."""
    reading, stack = current_rows(), _stack.get()
    with stacked(None if stack is None else stack.take(rows)):
        if reading is None:
            yield
        else:
            with reading_rows(reading.take(rows)):
                yield


@dataclass(frozen=True, eq=False)
class RowPass:
    """A pass over rows, as :func:`run_rows` receives it.

    Attributes:
        rows: what is read, one entry for each row; equal entries are read alike.
        compute: runs the pass on such rows. The result of a row does not depend on the others.
        subwords: the subwords of the longest row, for an estimate of memory.
        prefix: runs the part of the pass that does not depend on an earlier pass of the same call, as the
            steps of a decoder do; None if that is the pass itself.
        stacked: the same as ``compute``, in a way that is faster for the rows of many variants; None for
            ``compute``.
    """

    rows: Sequence[Any]
    compute: Compute
    subwords: int
    prefix: Callable[[Sequence[Any]], Any] | None = None
    stacked: Compute | None = None


class Answer(Protocol):
    """What runs the passes of a block."""

    def __call__(self, request: RowPass) -> tuple[Any, ...]:
        """Return what ``request.compute(request.rows)`` returns for the variant that is measured."""


_answer: ContextVar[Answer | None] = ContextVar("answer", default=None)


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Let a function run every pass of :func:`run_rows` inside a ``with`` block."""
    token = _answer.set(answer)
    try:
        yield
    finally:
        _answer.reset(token)


def run_rows(request: RowPass) -> tuple[Any, ...]:
    """Run a pass over rows, for a single model or, inside a block of :func:`answering`, for its variants."""
    check_interruption()
    answer = _answer.get()
    return request.compute(request.rows) if answer is None else answer(request)
