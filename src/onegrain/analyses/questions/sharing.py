"""Question 2 of [Dalvi19]: is a neuron exclusive to one label or shared by many?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from onegrain.analyses.questions.topsets import chance_overlap, top_sets
from onegrain.core.bootstrap import adjusted_p_values
from onegrain.errors import ParameterError
from onegrain.records.ranking import Ranking

__all__ = ["Sharing", "sharing"]


@dataclass(frozen=True, eq=False)
class Sharing:
    """The overlap of the labels' top sets.

    Attributes:
        neurons: one row per neuron in any top set, those with most labels first, ties in the ranking's order:
            ``neuron`` (flat index), ``name``, ``labels_n`` (in how many top sets), ``labels`` (which,
            joined by a comma).
        distribution: one row per number of labels, from 0: ``labels_n``, ``neurons`` (how many stand in exactly
            that many top sets), ``expected`` (by chance, each set drawn at random and independently).
        jaccard: (labels, labels) table of the Jaccard index of two labels' top sets, 1 on the diagonal.
        pairs: one row per pair of labels: ``first``, ``second``, ``shared``, ``expected``, ``jaccard``,
            ``expected_jaccard``, ``p`` (hypergeometric upper tail), ``q`` (p after Benjamini-Hochberg, over
            all pairs).
        sizes: neurons in each label's top set.
        universe: number of neurons that the chance sets are drawn from.
    """

    neurons: pd.DataFrame
    distribution: pd.DataFrame
    jaccard: pd.DataFrame
    pairs: pd.DataFrame
    sizes: dict[str, int]
    universe: int


def sharing(
    ranking: Ranking, k: int | None = None, *, mass: float | None = None, among: str = "all"
) -> Sharing:
    """Count for how many labels each neuron stands in the top set, and compare the top sets of all labels.

    Args:
        ranking: a ranking with label scores.
        k: neurons per label; default the larger of 10 and 1 % of the neurons.
        mass: instead of k, the neurons that hold this share of the label's mass.
        among: the neurons that random sets are drawn from: ``all``, or only those ``ranked`` (with weight for
            any label), which is the stricter comparison for a sparse probe.

    Raises:
        LabelError: the ranking has no labels.
        ParameterError: k, mass or among has an impossible value.
    """
    if among not in ("all", "ranked"):
        raise ParameterError(f"among must be 'all' or 'ranked', got {among!r}")
    sets = top_sets(ranking, k, mass=mass)
    members = np.zeros((len(sets), ranking.space.size), dtype=bool)
    for row, chosen in enumerate(sets):
        members[row, chosen] = True
    carrying = (
        int(np.count_nonzero((ranking.label_scores > 0).any(axis=0))) if ranking.label_scores is not None else 0
    )
    universe = ranking.space.size if among == "all" else max(carrying, 1)
    pairs = _pairs(ranking.labels, sets, universe)
    return Sharing(
        neurons=_neurons(ranking, members),
        distribution=_distribution(members, universe),
        jaccard=_matrix(ranking.labels, pairs, sets),
        pairs=pairs,
        sizes={label: int(chosen.size) for label, chosen in zip(ranking.labels, sets, strict=True)},
        universe=universe,
    )


def _neurons(ranking: Ranking, members: np.ndarray) -> pd.DataFrame:
    counts = members.sum(axis=0)
    shared = ranking.order[counts[ranking.order] > 0]
    shared = shared[np.argsort(-counts[shared], kind="stable")]
    labels = np.array(ranking.labels, dtype=object)
    return pd.DataFrame(
        {
            "neuron": shared,
            "name": [ranking.space.name(int(index)) for index in shared],
            "labels_n": counts[shared],
            "labels": [", ".join(labels[members[:, index]]) for index in shared],
        }
    )


def _distribution(members: np.ndarray, universe: int) -> pd.DataFrame:
    """Return the observed labels per neuron beside the Poisson-binomial that independent random sets give."""
    counts = members.sum(axis=0)
    chances = np.ones(1)
    for row in members:
        hit = row.sum() / universe
        chances = np.convolve(chances, [1 - hit, hit])
    observed = np.bincount(counts, minlength=len(chances))
    observed[0] -= members.shape[1] - universe
    return pd.DataFrame(
        {"labels_n": np.arange(len(chances)), "neurons": observed, "expected": chances * universe}
    )


def _pairs(labels: tuple[str, ...], sets: list[np.ndarray], universe: int) -> pd.DataFrame:
    rows = []
    for a, b in combinations(range(len(labels)), 2):
        rows.append(
            {"first": labels[a], "second": labels[b], **vars(chance_overlap(sets[a], sets[b], universe))}
        )
    columns = ["first", "second", "shared", "expected", "jaccard", "expected_jaccard", "p"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["q"] = adjusted_p_values(frame["p"].to_numpy(dtype=np.float64))
    return frame


def _matrix(labels: tuple[str, ...], pairs: pd.DataFrame, sets: list[np.ndarray]) -> pd.DataFrame:
    table = pd.DataFrame(np.eye(len(labels)), index=list(labels), columns=list(labels))
    for row in pairs.itertuples():
        table.loc[row.first, row.second] = table.loc[row.second, row.first] = row.jaccard
    for label, chosen in zip(labels, sets, strict=True):
        table.loc[label, label] = 1.0 if chosen.size else np.nan
    return table
