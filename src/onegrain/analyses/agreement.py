"""How far rankings of the same neurons agree: overlap of their top sets at k, against chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import pandas as pd

from onegrain.analyses.topsets import chance_overlap, default_k
from onegrain.core.ranking import Ranking
from onegrain.errors import ParameterError

__all__ = ["agreement", "overlap"]


def overlap(rankings: Mapping[str, Ranking], ks: int | Sequence[int] | None = None) -> pd.DataFrame:
    """Overlap of the first k neurons of every two rankings, with what two random sets would share.

    Args:
        rankings: name -> ranking, all of the same neurons.
        ks: one k or several; default the larger of 10 and 1 % of the neurons.

    Returns:
        One row a pair and k: ``first``, ``second``, ``k``, ``shared``, ``expected``, ``jaccard``,
        ``expected_jaccard``, ``p``. Neurons that a method does not rank never enter a top set.

    Raises:
        ParameterError: fewer than two rankings, or k outside 1..neurons.
        MismatchError: the rankings are of different neurons.
    """
    names = list(rankings)
    if len(names) < 2:
        raise ParameterError(f"an overlap needs at least two rankings, got {len(names)}")
    space = rankings[names[0]].space
    for name in names[1:]:
        space.require_same(rankings[name].space, f"rankings {names[0]!r} and {name!r} cannot be compared")
    wanted = [ks] if isinstance(ks, int) else list(ks) if ks is not None else [default_k(space.size)]
    rows = []
    for k in wanted:
        tops = {
            name: ranking.order[: min(ranking.require_k(k), ranking.n_ranked)]
            for name, ranking in rankings.items()
        }
        for first, second in combinations(names, 2):
            found = vars(chance_overlap(tops[first], tops[second], space.size))
            rows.append({"first": first, "second": second, "k": k, **found})
    return pd.DataFrame(rows)


def agreement(rankings: Mapping[str, Ranking], ks: int | Sequence[int] | None = None) -> pd.DataFrame:
    """Average overlap [Fan23]: for each ranking the mean Jaccard at k with all the others.

    Returns:
        One row a ranking and k: ``ranking``, ``k``, ``average_overlap``, ``expected`` (by chance).
    """
    pairs = overlap(rankings, ks)
    rows = []
    for k in dict.fromkeys(pairs["k"]):
        for name in rankings:
            part = pairs[(pairs["k"] == k) & ((pairs["first"] == name) | (pairs["second"] == name))]
            mean, chance = part["jaccard"].mean(), part["expected_jaccard"].mean()
            rows.append({"ranking": name, "k": k, "average_overlap": mean, "expected": chance})
    return pd.DataFrame(rows)
