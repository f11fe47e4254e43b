"""Measures of how similar selections or orders of the same neurons are."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from onegrain.errors import ParameterError

__all__ = ["every_pair", "mean_jaccard", "rank_correlations", "selection_stability", "split_stability"]


def every_pair(rows: int) -> np.ndarray:
    """Return every pair of row numbers below ``rows``, int64 (pairs, 2).

    >>> every_pair(3).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    return np.stack(np.triu_indices(rows, k=1), axis=1)


def mean_jaccard(selected: np.ndarray, pairs: np.ndarray | None = None) -> float:
    """Return the mean Jaccard index, |both| / |either|, over pairs of selections.

    Args:
        selected: bool (selections, neurons).
        pairs: int64 (pairs, 2), rows to compare; by default every two.

    Returns:
        Between 0 and 1. Pairs of two empty selections are left out; NaN where nothing is left.

    >>> mean_jaccard(np.array([[1, 1, 0], [1, 0, 0]]))
    0.5
    """
    chosen = _require_table(selected).astype(np.float64)
    both = chosen @ chosen.T
    sizes = np.diag(both)
    first, second = (every_pair(len(chosen)) if pairs is None else pairs).T
    shared = both[first, second]
    either = sizes[first] + sizes[second] - shared
    known = either > 0
    return float((shared[known] / either[known]).mean()) if known.any() else float("nan")


def selection_stability(selected: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the stability of a selection, corrected for chance, with its asymptotic interval [Nogueira18].

    With M selections among d neurons, p_f the share of them that neuron f is in and k the mean size,

        Phi = 1 - mean_f s_f^2 / ((k/d) (1 - k/d)),     s_f^2 = M/(M-1) p_f (1 - p_f)

    Phi is 1 if all selections are the same; 0 is expected if each is drawn at random among those of its size,
    independently of the others. The interval is Phi -+ z sqrt(v), v = 4/M^2 sum_i (Phi_i - mean Phi)^2 with

        Phi_i = [mean_f z_if p_f - k_i k/d^2 + Phi/2 (2 k k_i/d^2 - k_i/d - k/d + 1)] / ((k/d) (1 - k/d))

    cut at 1, the largest possible value. It assumes independent selections: if they are draws of one corpus, it
    describes further draws of this corpus. [Nogueira18]: Nogueira, Sechidis, Brown. *On the
    Stability of Feature Selection Algorithms.* JMLR 18(174), 2018, definition 4, theorem 7 and corollary 9.

    Args:
        selected: bool (selections, neurons), two selections or more.
        level: level of the interval, between 0 and 1.

    Returns:
        Phi and the bounds; all NaN if every selection is empty, or every one has all neurons. The bounds of two
        selections are NaN, and those of fewer than about ten are rough.

    Raises:
        ParameterError: fewer than two selections, or a level outside (0, 1).

    >>> selection_stability(np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]))
    (1.0, 1.0, 1.0)
    """
    chosen = _require_table(selected).astype(np.float64)
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    many, d = chosen.shape
    share = chosen.mean(axis=0)
    size = chosen.sum(axis=1) / d
    mean = size.mean()
    chance = mean * (1.0 - mean)
    if chance <= 0.0:
        return float("nan"), float("nan"), float("nan")
    phi = 1.0 - many / (many - 1) * (share * (1.0 - share)).mean() / chance
    of_draw = (chosen @ share / d - size * mean + phi / 2.0 * (2.0 * mean * size - size - mean + 1.0)) / chance
    deviation = 2.0 / many * np.sqrt(np.square(of_draw - of_draw.mean()).sum())
    half = float(ndtri((1.0 + level) / 2.0) * deviation) if many > 2 else float("nan")
    return float(phi), float(phi - half), float(np.minimum(phi + half, 1.0))


def split_stability(selected: np.ndarray, pairs: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean Phi of the two selections of each pair, with a normal interval of that mean.

    For two selections of k of d neurons that share r, Phi is Kuncheva's index (r/k - k/d) / (1 - k/d). If the
    two of a pair come from disjoint data, arbitrary selections reach 0. Over many draws from the same data they
    reach more, since they share its accidents.

    Args:
        selected: bool (selections, neurons).
        pairs: int64 (pairs, 2), rows of the two that belong together; two pairs or more.
        level: level of the interval, between 0 and 1.

    Returns:
        The mean and its bounds, mean -+ z s / sqrt(pairs), cut at 1, for more pairs from the same data; pairs
        without Phi are left out, and all is NaN where fewer than two are left.

    >>> split_stability(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]]), np.array([[0, 1], [2, 3]]))
    (1.0, 1.0, 1.0)
    """
    chosen = _require_table(selected)
    stabilities = np.array([selection_stability(chosen[pair], level)[0] for pair in pairs])
    stabilities = stabilities[np.isfinite(stabilities)]
    if stabilities.size < 2:
        return float("nan"), float("nan"), float("nan")
    mean = float(stabilities.mean())
    half = float(ndtri((1.0 + level) / 2.0) * stabilities.std(ddof=1) / np.sqrt(stabilities.size))
    return mean, mean - half, min(mean + half, 1.0)


def rank_correlations(ranks: np.ndarray, pairs: np.ndarray | None = None) -> tuple[float, float]:
    """Return the mean Spearman and Kendall (tau-b) correlation over pairs of rows.

    Args:
        ranks: float64 (orders, neurons); tied neurons share their middle rank.
        pairs: int64 (pairs, 2), rows to compare; by default every two.

    Returns:
        Both between -1 and 1. A row that ties all neurons has no correlation; its pairs are left out, and NaN
        is returned where none is left.

    >>> rank_correlations(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]]))
    (-1.0, -1.0)
    """
    from scipy.stats import kendalltau  # takes half a second to load

    rows = _require_table(ranks)
    chosen = every_pair(len(rows)) if pairs is None else np.asarray(pairs)
    chosen = chosen[(np.ptp(rows, axis=1) > 0)[chosen].all(axis=1)]
    if not len(chosen):
        return float("nan"), float("nan")
    spearman = np.mean([np.corrcoef(rows[pair])[0, 1] for pair in chosen])
    kendall = np.mean([kendalltau(*rows[pair]).statistic for pair in chosen])
    return round(float(spearman), 12), round(float(kendall), 12)


def _require_table(table: np.ndarray) -> np.ndarray:
    rows = np.asarray(table)
    if rows.ndim != 2 or len(rows) < 2 or not rows.shape[1]:
        raise ParameterError(f"expected two or more rows, one value per neuron; got shape {rows.shape}")
    return rows
