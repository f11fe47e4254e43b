"""The provably best set of a size, by branch and bound over sets of candidates [Furnival and Wilson 1974]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg import LinAlgError, cholesky, inv, solve_triangular

from onegrain.rankings.sparse.fit import COPY, SAME

__all__ = ["best_set"]

PAIR_ROWS = 32
"""Number of candidates whose pairs with all others are computed at once; they fit in a cache."""


@dataclass(eq=False)
class Best:
    """The best set found so far.

    Attributes:
        among: correlations of the candidates with each other.
        label: correlations of the candidates with the label.
        r2: R^2 of the set.
        positions: positions of its candidates, ascending; None while no set beats the known one.
    """

    among: Float64[np.ndarray, "candidates candidates"]
    label: Float64[np.ndarray, " candidates"]
    r2: float
    positions: tuple[int, ...] | None = None

    def offer(self, gains: np.ndarray, chosen: tuple[int, ...], first: tuple[int, ...]) -> None:
        """Keep the best of some sets if it is better; sets are recomputed first, and sets with a copy refused.

        Args:
            gains: float64, R^2 of each set as computed by the search; overwritten.
            chosen: positions that all sets contain.
            first: position of the first candidate on each axis of ``gains``.
        """
        while True:
            index = np.unravel_index(int(gains.argmax()), gains.shape)
            if gains[index] <= self.r2 + SAME:
                return
            positions = (*chosen, *(start + int(step) for start, step in zip(first, index, strict=True)))
            r2 = self._r2(list(positions))
            if r2 > self.r2 + SAME:
                self.r2, self.positions = r2, tuple(sorted(positions))
            gains[index] = -np.inf

    def _r2(self, positions: list[int]) -> float:
        """Return the R^2 of a set; -inf if it holds a copy."""
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
    """Return the positions, ascending, of the best set of ``size`` candidates; None if none beats ``beat``.

    A set is skipped only if it is part of a larger set whose R^2 is not above the best known, or if it holds a
    copy.

    Args:
        among: correlations of the candidates with each other.
        label: their correlations with the label.
        size: from 1 to the number of candidates.
        beat: R^2 of a known set.
    """
    order = _by_importance(among, label)
    best = Best(among[np.ix_(order, order)], label[order], beat)
    _search(best.among, best.label, (size, 0.0, ()), best)
    return None if best.positions is None else tuple(sorted(order[list(best.positions)].tolist()))


def _search(
    covariances: Float64[np.ndarray, "rest rest"],
    with_label: Float64[np.ndarray, " rest"],
    node: tuple[int, float, tuple[int, ...]],
    best: Best,
) -> None:
    """Search all sets of the chosen candidates and some of the candidates after them.

    Args:
        covariances: covariances of the later candidates, given the chosen ones.
        with_label: their covariances with the label, given the chosen ones.
        node: number of candidates still to choose, R^2 of the chosen ones, positions of the chosen ones.
        best: the best set, updated in place.
    """
    wanted, r2, chosen = node
    offset = (chosen[-1] + 1) if chosen else 0
    if wanted == 1:
        variances = covariances.diagonal()
        gains = np.where(variances > COPY, with_label**2 / np.maximum(variances, COPY), -np.inf)
        best.offer(r2 + gains, chosen, (offset,))
        return
    if wanted == 2:
        for first in range(0, len(with_label) - 1, PAIR_ROWS):
            best.offer(
                r2 + _pairs(covariances, with_label, first), chosen, (offset + first, offset + first + 1)
            )
        return
    bounds = _bounds(covariances, with_label)
    for position in range(len(with_label) - wanted + 1):
        if r2 + bounds[position] <= best.r2 + SAME:
            return
        variance = covariances[position, position]
        if variance <= COPY:
            continue
        column = covariances[position + 1 :, position]
        rest = covariances[position + 1 :, position + 1 :] - np.outer(column, column / variance)
        rest_with_label = with_label[position + 1 :] - column * (with_label[position] / variance)
        _search(
            rest,
            rest_with_label,
            (wanted - 1, r2 + with_label[position] ** 2 / variance, (*chosen, offset + position)),
            best,
        )


def _pairs(covariances: np.ndarray, with_label: np.ndarray, first: int) -> Float64[np.ndarray, "rows rest"]:
    """Return the joint gain of some candidates from ``first`` on with each candidate after ``first``."""
    rows, columns = slice(first, min(first + PAIR_ROWS, len(with_label) - 1)), slice(first + 1, None)
    squares, variances, shared = with_label**2, covariances.diagonal(), covariances[rows, columns]
    down, across = variances[rows, None], variances[columns]
    gains = squares[rows, None] * across
    gains += down * squares[columns]
    gains -= (2.0 * with_label[rows, None]) * with_label[columns] * shared
    divisor = down * across
    divisor -= shared**2
    possible = divisor > COPY * np.maximum(np.maximum(down, across), COPY)
    np.divide(gains, divisor, out=gains, where=possible)
    gains[~possible] = -np.inf
    return gains


def _bounds(covariances: np.ndarray, with_label: np.ndarray) -> Float64[np.ndarray, " rest"]:
    """Return the joint gain of all candidates from each position on, which no subset of them exceeds.

    One factorisation from the last candidate to the first gives all bounds; if candidates are copies of each
    other, every bound is infinite.
    """
    try:
        factor = cholesky(covariances[::-1, ::-1], lower=True)
    except LinAlgError:
        return np.full(len(with_label), np.inf)
    if np.square(factor.diagonal()).min() <= COPY:
        return np.full(len(with_label), np.inf)
    return np.cumsum(solve_triangular(factor, with_label[::-1], lower=True) ** 2)[::-1]


def _by_importance(among: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return the candidates by the loss without them, descending, so that bounds rule out sets early."""
    loss = label**2
    try:
        factor = cholesky(among, lower=True)
    except LinAlgError:
        return np.argsort(-loss, kind="stable")
    if np.square(factor.diagonal()).min() > COPY:
        inverse = solve_triangular(factor, np.eye(len(label)), lower=True)
        loss = (inverse.T @ (inverse @ label)) ** 2 / np.square(inverse).sum(axis=0)
    return np.argsort(-loss, kind="stable")
