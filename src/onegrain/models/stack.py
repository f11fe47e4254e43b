"""The variants of a model that the rows of a pass belong to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from onegrain.models.projections import TransposedWeights

__all__ = ["Stack", "current_stack", "stacked"]


@dataclass(frozen=True, eq=False)
class Stack:
    """The variants that the rows of a pass belong to.

    Attributes:
        variants: int64 (rows,), ascending: the variant of each row.
        size: the number of variants.
        weights: transposed weights of projections that all variants share.
    """

    variants: np.ndarray
    size: int
    weights: TransposedWeights = field(default_factory=TransposedWeights)

    @classmethod
    def of(cls, size: int, rows: int, weights: TransposedWeights) -> Stack:
        """Return the stack in which each of ``size`` variants has the same number of rows."""
        return cls(np.repeat(np.arange(size), rows), size, weights)

    def take(self, rows: np.ndarray) -> Stack:
        """Return the stack of some of the rows, int64, ascending."""
        return replace(self, variants=self.variants[rows])

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
