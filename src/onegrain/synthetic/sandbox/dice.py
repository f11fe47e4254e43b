"""Seeded random draws for the sandbox grammar: uniform, weighted, and by Zipf-like ranks."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TypeVar

import numpy as np

__all__ = ["Dice"]

T = TypeVar("T")

_FLATTEN = 2.0


@lru_cache(maxsize=1024)
def _zipf_steps(count: int) -> tuple[float, ...]:
    weights = [1.0 / (rank + _FLATTEN) for rank in range(count)]
    total = sum(weights)
    return tuple(step / total for step in accumulate(weights))


@lru_cache(maxsize=1024)
def _weight_steps(weights: tuple[tuple[str, float], ...]) -> tuple[float, ...]:
    total = sum(weight for _, weight in weights)
    return tuple(step / total for step in accumulate(weight for _, weight in weights))


class Dice:
    """A source of random draws; the same seed gives the same draws in every process."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed).random

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def zipf(self, ranked: Sequence[T]) -> T:
        """Draw an element; that of rank r (from 0) has weight 1 / (r + 2), Mandelbrot's form of Zipf's law."""
        index = bisect_right(_zipf_steps(len(ranked)), self._random())
        return ranked[min(index, len(ranked) - 1)]

    def even(self, choices: Sequence[T]) -> T:
        """Draw an element; all have the same weight."""
        return choices[int(self._random() * len(choices))]

    def weighted(self, weights: tuple[tuple[str, float], ...]) -> str:
        """Draw a name by its weight."""
        index = bisect_right(_weight_steps(weights), self._random())
        return weights[min(index, len(weights) - 1)][0]
