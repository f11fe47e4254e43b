"""Parameters of sparse probing."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

from onegrain.core.options import require_count, require_flag
from onegrain.errors import ParameterError

__all__ = ["SparseOptions"]


@dataclass(frozen=True)
class SparseOptions:
    """Parameters of sparse probing.

    Attributes:
        k: largest number of neurons of a label's probe.
        swaps: after each addition, exchange single neurons until no exchange is better.
        exact: search for the provably best set of every size up to ``k``.
        candidates: number of neurons for an exact search, those most correlated with the label; None for all.
        max_subsets: refuse an exact search over more sets of ``k`` neurons than this.
        min_count: a label with fewer words is left out.
        max_words: learn from a random part of the sentences with at most this many words; None for all.
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
            if getattr(self, name) is not None or name not in ("candidates", "max_words"):
                require_count(name, getattr(self, name))
        for name in ("swaps", "exact"):
            require_flag(name, getattr(self, name))
        if self.candidates is not None and not self.exact:
            raise ParameterError("candidates is for an exact search; set exact=true, or leave it out")
        if self.candidates is not None and self.candidates < self.k:
            raise ParameterError(f"candidates must be at least k={self.k}, got {self.candidates}")

    def among(self, neurons: int) -> int:
        """Return the number of candidates of an exact search among ``neurons`` neurons.

        Raises:
            ParameterError: the candidates have more than ``max_subsets`` sets.
        """
        candidates = neurons if self.candidates is None else min(self.candidates, neurons)
        size = min(self.k, candidates)
        if comb(candidates, size) <= self.max_subsets:
            return candidates
        most = size
        while comb(most + 1, size) <= self.max_subsets:
            most += 1
        raise ParameterError(
            f"an exact search among {candidates} neurons has {comb(candidates, size):.3g} sets of {size} of "
            f"them, and max_subsets is {self.max_subsets:.3g}; give candidates={most} or fewer, or a smaller k"
        )
