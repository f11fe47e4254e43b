"""Agreement of rankings of the same neurons: overlap of their top sets, and correlation of their orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from onegrain.analyses.questions.topsets import chance_overlap, default_k
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.core.selection import rank_correlations
from onegrain.errors import ParameterError
from onegrain.records.ranking import Ranking

__all__ = [
    "NO_JUDGES",
    "agreement",
    "judges_among",
    "overlap",
    "rank_agreement",
    "require_comparable",
    "spearman_interval",
]

NO_JUDGES = ("random", "neuron-vote")
"""Methods whose rankings are judged by the others and judge none: a random order, and the others' own vote."""


def overlap(rankings: Mapping[str, Ranking], ks: int | Sequence[int] | None = None) -> pd.DataFrame:
    """Compare the first k neurons of every two rankings with what two random sets would share.

    Args:
        rankings: name -> ranking, all of the same neurons.
        ks: one k or several; default the larger of 10 and 1 % of the neurons.

    Returns:
        One row per pair and k: ``first``, ``second``, ``k``, ``shared``, ``expected``, ``jaccard``,
        ``expected_jaccard``, ``p``, ``q`` (p after Benjamini-Hochberg, over all rows). Neurons that a method
        does not rank never enter a top set.

    Raises:
        ParameterError: fewer than two rankings, or k outside 1..neurons.
        MismatchError: the rankings are of different neurons.
    """
    names = require_comparable(rankings)
    space = rankings[names[0]].space
    wanted = [ks] if isinstance(ks, int) else list(ks) if ks is not None else [default_k(space.size)]
    rows = []
    for k in wanted:
        tops = {
            name: ranking.order[: min(ranking.require_k(k), ranking.n_ranked)]
            for name, ranking in rankings.items()
        }
        for first, second in combinations(names, 2):
            shared = vars(chance_overlap(tops[first], tops[second], space.size))
            rows.append({"first": first, "second": second, "k": k, **shared})
    table = pd.DataFrame(rows)
    return table.assign(q=adjusted_p_values(table["p"].to_numpy(dtype=np.float64)))


def agreement(
    rankings: Mapping[str, Ranking],
    ks: int | Sequence[int] | None = None,
    *,
    judges: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the average overlap [Fan23]: for each ranking the mean Jaccard at k with the other judges.

    Args:
        rankings: name -> ranking, all of the same neurons.
        ks: as in :func:`overlap`.
        judges: the rankings that others are compared with; all by default.

    Returns:
        One row per ranking and k: ``ranking``, ``k``, ``average_overlap``, ``expected`` (by chance); NaN if
        there is no other judge.
    """
    pairs = overlap(rankings, ks)
    chosen = list(rankings) if judges is None else judges_among(rankings, judges)
    rows = []
    for k in dict.fromkeys(pairs["k"]):
        for name in rankings:
            others = [judge for judge in chosen if judge != name]
            first = (pairs["first"] == name) & pairs["second"].isin(others)
            second = (pairs["second"] == name) & pairs["first"].isin(others)
            met = pairs[(pairs["k"] == k) & (first | second)]
            mean, chance = met["jaccard"].mean(), met["expected_jaccard"].mean()
            rows.append({"ranking": name, "k": k, "average_overlap": mean, "expected": chance})
    return pd.DataFrame(rows)


def rank_agreement(rankings: Mapping[str, Ranking]) -> pd.DataFrame:
    """Correlate the orders of all neurons, for every two rankings.

    A ranked neuron counts with its place in the order (methods break ties of score); all neurons that a method
    does not rank share the middle of the remaining places.

    Returns:
        One row per pair: ``first``, ``second``, ``spearman``, ``kendall`` (tau-b); NaN if a method ranks none.

    Raises:
        ParameterError: fewer than two rankings.
        MismatchError: the rankings are of different neurons.
    """
    places = {name: _places(rankings[name]) for name in require_comparable(rankings)}
    rows = []
    for first, second in combinations(places, 2):
        spearman, kendall = rank_correlations(np.stack([places[first], places[second]]))
        rows.append({"first": first, "second": second, "spearman": spearman, "kendall": kendall})
    return pd.DataFrame(rows)


def spearman_interval(correlation: float, neurons: int, level: float = 0.95) -> tuple[float, float]:
    """Return an interval of a Spearman correlation over neurons, by Fisher's transformation.

    The transformed correlation has the variance (1 + r^2 / 2) / (n - 3) [Bonett & Wright 2000]. Neurons are
    taken as independent draws, so the interval says how well so many neurons can tell the correlation.

    Args:
        correlation: Spearman's correlation r, from -1 to 1.
        neurons: number of neurons n.
        level: level of the interval, between 0 and 1.

    Returns:
        The lower and the upper bound; NaN for fewer than four neurons or an unknown correlation.

    Raises:
        ParameterError: the level is not between 0 and 1.

    >>> [round(bound, 3) for bound in spearman_interval(0.5, 100)]
    [0.326, 0.641]
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must be between 0 and 1, got {level}")
    if neurons < 4 or np.isnan(correlation):
        return float("nan"), float("nan")
    inside = float(np.clip(correlation, -1.0 + 1e-15, 1.0 - 1e-15))
    half = float(ndtri((1.0 + level) / 2.0)) * np.sqrt((1.0 + inside**2 / 2.0) / (neurons - 3))
    middle = np.arctanh(inside)
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


def require_comparable(rankings: Mapping[str, Ranking]) -> list[str]:
    """Return the names of rankings that can be compared.

    Raises:
        ParameterError: fewer than two rankings.
        MismatchError: the rankings are of different neurons.
    """
    names = list(rankings)
    if len(names) < 2:
        raise ParameterError(f"an overlap needs at least two rankings, got {len(names)}")
    space = rankings[names[0]].space
    for name in names[1:]:
        space.require_same(rankings[name].space, f"rankings {names[0]!r} and {name!r} cannot be compared")
    return names


def judges_among(rankings: Mapping[str, Ranking], judges: Sequence[str] | None = None) -> list[str]:
    """Return the names of the judging rankings; by default all but those of ``NO_JUDGES`` methods.

    Raises:
        ParameterError: a judge that is not among the rankings.
    """
    if judges is None:
        return [name for name, ranking in rankings.items() if ranking.method not in NO_JUDGES]
    unknown = [name for name in judges if name not in rankings]
    if unknown:
        raise ParameterError(f"no ranking {', '.join(unknown)} to judge; there are: {', '.join(rankings)}")
    return [name for name in rankings if name in judges]


def _places(ranking: Ranking) -> np.ndarray:
    """Return each neuron's place from 0, float64 (neurons,); unranked neurons share the middle of theirs."""
    places = ranking.positions().astype(np.float64)
    places[ranking.order[ranking.n_ranked :]] = (ranking.n_ranked + ranking.space.size - 1) / 2.0
    return places
