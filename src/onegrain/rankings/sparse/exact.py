"""The best set of a size, proven: branch and bound over sets of candidates [Furnival and Wilson 1974]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import LinAlgError, cholesky, inv, solve_triangular

from onegrain.rankings.sparse.fit import COPY, SAME

__all__ = ["best_set"]

PAIR_ROWS = 32
"""Candidates whose pairs with all others are computed at once: what a cache holds."""


@dataclass(eq=False)
class Best:
    """The best set so far.

    Attributes:
        among: correlations of the candidates.
        label: theirs with the label.
        r2: of the set.
        found: positions of its candidates, ascending; None while the set is the one to beat.
    """

    among: Float64[np.ndarray, "candidates candidates"]
    label: Float64[np.ndarray, " candidates"]
    r2: float
    found: tuple[int, ...] | None = None

    def offer(self, gains: np.ndarray, chosen: tuple[int, ...], first: tuple[int, ...]) -> None:
        """Take the best of sets that are better, each computed by itself first, and none that holds a copy.

        Args:
            gains: float64, R^2 of each as the search knows it; overwritten.
            chosen: positions that all hold.
            first: position of the first candidate on each axis of ``gains``.
        """
        while True:
            at = np.unravel_index(int(gains.argmax()), gains.shape)
            if gains[at] <= self.r2 + SAME:
                return
            positions = (*chosen, *(start + int(step) for start, step in zip(first, at, strict=True)))
            r2 = self._r2(list(positions))
            if r2 > self.r2 + SAME:
                self.r2, self.found = r2, tuple(sorted(positions))
            gains[at] = -np.inf

    def _r2(self, positions: list[int]) -> float:
        try:
            precision = inv(self.among[np.ix_(positions, positions)])
        except LinAlgError:
            return -np.inf
        if precision.diagonal().max() >= 1.0 / COPY or precision.diagonal().min() <= 0.0:
            return -np.inf
        return float(self.label[positions] @ precision @ self.label[positions])


def best_set(
    among: Float64[np.ndarray, "candidates candidates"],
    label: Float64[np.ndarray, " candidates"],
    size: int,
    beat: float,
) -> tuple[int, ...] | None:
    """Positions, ascending, of the ``size`` candidates with the highest R^2, or None if ``beat`` is as high.

    Every set is either looked at, or part of a larger one whose R^2 is not higher than the best known. Sets
    that hold a copy are passed over.

    Args:
        among: correlations of the candidates with each other.
        label: their correlations with the label.
        size: from 1 to the number of candidates.
        beat: R^2 of a known set.
    """
    order = _by_importance(among, label)
    best = Best(among[np.ix_(order, order)], label[order], beat)
    _search(best.among, best.label, (size, 0.0, ()), best)
    return None if best.found is None else tuple(sorted(order[list(best.found)].tolist()))


def _search(
    left: Float64[np.ndarray, "rest rest"],
    apart: Float64[np.ndarray, " rest"],
    node: tuple[int, float, tuple[int, ...]],
    best: Best,
) -> None:
    """All sets of what is chosen and some of the last candidates.

    Args:
        left: covariances of these, beside what is chosen.
        apart: the same with the label.
        node: how many to choose still, R^2 of what is chosen, positions of what is chosen.
        best: improved.
    """
    wanted, r2, chosen = node
    offset = (chosen[-1] + 1) if chosen else 0
    if wanted == 1:
        variances = left.diagonal()
        gains = np.where(variances > COPY, apart**2 / np.maximum(variances, COPY), -np.inf)
        best.offer(r2 + gains, chosen, (offset,))
        return
    if wanted == 2:
        for first in range(0, len(apart) - 1, PAIR_ROWS):
            best.offer(r2 + _pairs(left, apart, first), chosen, (offset + first, offset + first + 1))
        return
    bounds = _bounds(left, apart)
    for at in range(len(apart) - wanted + 1):
        if r2 + bounds[at] <= best.r2 + SAME:
            return
        variance = left[at, at]
        if variance <= COPY:
            continue
        side = left[at + 1 :, at]
        rest = left[at + 1 :, at + 1 :] - np.outer(side, side / variance)
        own = apart[at + 1 :] - side * (apart[at] / variance)
        _search(rest, own, (wanted - 1, r2 + apart[at] ** 2 / variance, (*chosen, offset + at)), best)


def _pairs(left: np.ndarray, apart: np.ndarray, first: int) -> Float64[np.ndarray, "rows rest"]:
    """What some candidates from the first on, each with each candidate behind the first, add together."""
    rows, columns = slice(first, min(first + PAIR_ROWS, len(apart) - 1)), slice(first + 1, None)
    squares, variances, shared = apart**2, left.diagonal(), left[rows, columns]
    down, across = variances[rows, None], variances[columns]
    gains = squares[rows, None] * across
    gains += down * squares[columns]
    gains -= (2.0 * apart[rows, None]) * apart[columns] * shared
    divisor = down * across
    divisor -= shared**2
    possible = divisor > COPY * np.maximum(np.maximum(down, across), COPY)
    np.divide(gains, divisor, out=gains, where=possible)
    gains[~possible] = -np.inf
    return gains


def _bounds(left: np.ndarray, apart: np.ndarray) -> Float64[np.ndarray, " rest"]:
    """What all candidates from each on would add together: no set of them adds more.

    One factorisation from the last candidate to the first gives all. Where candidates are copies of each other
    there is none, and no bound.
    """
    try:
        factor = cholesky(left[::-1, ::-1], lower=True)
    except LinAlgError:
        return np.full(len(apart), np.inf)
    if np.square(factor.diagonal()).min() <= COPY:
        return np.full(len(apart), np.inf)
    return np.cumsum(solve_triangular(factor, apart[::-1], lower=True) ** 2)[::-1]


def _by_importance(among: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Candidates by what all lose without them, so that sets without the first are soon ruled out."""
    loss = label**2
    try:
        factor = cholesky(among, lower=True)
    except LinAlgError:
        return np.argsort(-loss, kind="stable")
    if np.square(factor.diagonal()).min() > COPY:
        inverse = solve_triangular(factor, np.eye(len(label)), lower=True)
        loss = (inverse.T @ (inverse @ label)) ** 2 / np.square(inverse).sum(axis=0)
    return np.argsort(-loss, kind="stable")
