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
from typing import Any, Protocol

import numpy as np

from onegrain.core.interruption import check_interruption
from onegrain.models.passing import current_rows, reading_rows, trial
from onegrain.models.stack import current_stack, stacked

__all__ = ["Compute", "RowPass", "answering", "reading_part", "run_rows"]

Compute = Callable[[Sequence[Any]], tuple[Any, ...]]
"""A function from rows to tensors or lists with one entry for each row."""


@contextmanager
def reading_part(rows: np.ndarray) -> Iterator[None]:
    """Say that the passes inside a ``with`` block read only some of the current rows, int64, ascending."""
    reading, stack = current_rows(), current_stack()
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
        untouched: runs a pass that no edit may reach and that ``compute`` compares with, once before it; None
            if there is no such pass.
        in_blocks: True if the logits of the pass are held for a few positions at a time.
    """

    rows: Sequence[Any]
    compute: Compute
    subwords: int
    prefix: Callable[[Sequence[Any]], Any] | None = None
    stacked: Compute | None = None
    untouched: Callable[[], None] | None = None
    in_blocks: bool = False

    def run_untouched(self) -> None:
        """Run the pass that no edit may reach, if there is one."""
        if self.untouched is not None:
            with trial():
                self.untouched()


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
    if answer is not None:
        return answer(request)
    request.run_untouched()
    return request.compute(request.rows)
