"""Parameters of sparse probing."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

from onegrain.errors import ParameterError

__all__ = ["SparseOptions"]


@dataclass(frozen=True)
class SparseOptions:
    """Parameters of sparse probing.

    Attributes:
        k: how many neurons a label's probe has at most.
        swaps: whether neurons are exchanged until no single exchange is better, after each addition.
        exact: whether the best sets of every size up to ``k`` are searched for and proven.
        candidates: an exact search looks at sets of so many neurons, those that are most correlated with the
            label; None for all.
        max_subsets: an exact search of more sets of ``k`` neurons than these is refused.
        min_count: a label with fewer words is left out.
        max_words: learn from a random part of the sentences with at most so many words; None for all.
    """

    k: int = 10
    swaps: bool = True
    exact: bool = False
    candidates: int | None = None
    max_subsets: int = 10**8
    min_count: int = 10
    max_words: int | None = None

    def __post_init__(self) -> None:
        for name in ("k", "candidates", "max_subsets", "min_count", "max_words"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not whole and not (value is None and name in ("candidates", "max_words")):
                raise ParameterError(f"{name} must be a whole number from 1, got {value!r}")
        for name in ("swaps", "exact"):
            if not isinstance(getattr(self, name), bool):
                raise ParameterError(f"{name} must be true or false, got {getattr(self, name)!r}")
        if self.candidates is not None and not self.exact:
            raise ParameterError("candidates are those of an exact search; set exact=true, or leave them out")
        if self.candidates is not None and self.candidates < self.k:
            raise ParameterError(f"candidates must be at least k={self.k}, got {self.candidates}")

    def among(self, neurons: int) -> int:
        """How many neurons an exact search looks at, of so many.

        Raises:
            ParameterError: their sets are too many.
        """
        found = neurons if self.candidates is None else min(self.candidates, neurons)
        size = min(self.k, found)
        if comb(found, size) <= self.max_subsets:
            return found
        most = size
        while comb(most + 1, size) <= self.max_subsets:
            most += 1
        raise ParameterError(
            f"an exact search among {found} neurons has {comb(found, size):.3g} sets of {size} to look at, "
            f"max_subsets is {self.max_subsets:.3g}; give candidates={most} or fewer, or a smaller k"
        )
