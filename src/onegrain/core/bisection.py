"""The least whole number that suffices for something, found by bisection."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, isqrt, log2

__all__ = ["Bisection"]


class Bisection:
    """A search for the least number from 1 to ``most`` that suffices, if ``most`` does.

    It assumes that every number above one that suffices does too. Each trial is the geometric mean of the
    largest number that did not suffice and the smallest one that did. The search ends when they differ by 1, or
    by no more than ``precision`` of the larger one.

    Args:
        most: a number that suffices.
        known: number -> True if it suffices, for numbers that were tried before.
        precision: relative precision of large numbers.

    Attributes:
        lower: the largest number below ``upper`` that does not suffice; 0 if none is known.
        upper: the smallest number that is known to suffice.

    >>> search = Bisection(100)
    >>> while (number := search.next()) is not None:
    ...     search.add(number, number >= 37)
    >>> search.lower, search.upper
    (36, 37)
    """

    def __init__(self, most: int, known: Mapping[int, bool] | None = None, *, precision: float = 0.02) -> None:
        known = known or {}
        self._precision = precision
        self.upper = min((number for number, enough in known.items() if enough), default=most)
        self.lower = max((number for number in known if number < self.upper), default=0)

    def next(self, guess: float | None = None) -> int | None:
        """Return the number to try next; None at the end of the search.

        It is ``guess``, if there is one, but far enough from both ends that a right guess ends the search soon.
        """
        width = self.upper - self.lower
        if width <= max(1.0, self._precision * self.upper):
            return None
        step = max(1, int(self._precision * self.upper))
        if guess is not None and width > 2 * step:
            return int(min(max(guess, self.lower + step), self.upper - step))
        return min(max(isqrt(max(self.lower, 1) * self.upper), self.lower + 1), self.upper - 1)

    def add(self, number: int, enough: bool) -> None:
        """Add the result of a trial."""
        if enough:
            self.upper = number
        else:
            self.lower = number

    def most_left(self) -> int:
        """Return a bound of the number of trials that are left."""
        if self.next() is None:
            return 0
        ratio, finest = self.upper / max(self.lower, 1), 1.0 + max(self._precision, 1.0 / self.upper)
        return ceil(log2(max(log2(ratio) / log2(finest), 1.0))) + 2
