"""Score rankings of planted neurons by precision at k and average precision, and give both by chance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.records.ranking import Ranking
from onegrain.synthetic.planted.activations import Planted
from onegrain.synthetic.planted.neurons import INFORMATIVE

__all__ = ["mean_recovery", "precision_in_order", "recovery"]

MEASURES = ("precision", "average_precision")


def recovery(planted: Planted, ranking: Ranking, k: int | None = None) -> pd.DataFrame:
    """Return precision at k and average precision of a ranking of planted neurons.

    Overall, the planted neurons of all kinds should come before all others. For a single kind, the neurons of
    the other kinds are first removed from the order, so that a method is not penalised for them. In the order
    of a label, if the ranking has one, the neurons that carry the label should come before all others,
    including those of other labels.

    Precision is the share of planted neurons among the first k. Average precision is the mean, over the planted
    neurons, of the precision at each one's position: the area under precision against recall, as in
    scikit-learn's ``average_precision_score``. Unranked neurons have no order, so the result is the expectation
    over all their orders. The columns ``chance_`` are the values if no neuron is ranked.

    Args:
        planted: the role of every neuron.
        ranking: a ranking of its neurons.
        k: number of first neurons for precision; None for the number of planted neurons.

    Returns:
        One row per question: ``scope`` (``all``, ``kind`` or ``label``), ``name`` (of the kind or label),
        ``planted`` and ``among`` (numbers of neurons), ``k``, ``precision``, ``average_precision``,
        ``chance_precision``, ``chance_average_precision``.

    Raises:
        MismatchError: the ranking is of other neurons.
        ParameterError: no neuron is planted, or k is not from 1 to the number of neurons.
    """
    planted.activations.space.require_same(ranking.space, f"{ranking.method} ranking")
    if k is not None:
        require_count("k", k, 1)
        ranking.require_k(k)
    rows = []
    for scope, name, order, n_ranked, targets in _questions(planted, ranking):
        hits = targets[order]
        first_k = min(k or int(hits.sum()), hits.size)
        precision, average = precision_in_order(hits, n_ranked, first_k)
        by_chance = precision_in_order(hits, 0, first_k)
        facts = (scope, name, int(hits.sum()), hits.size, first_k)
        rows.append((*facts, precision, average, *by_chance))
    columns = ["scope", "name", "planted", "among", "k", *MEASURES, *(f"chance_{name}" for name in MEASURES)]
    return pd.DataFrame(rows, columns=columns)


def mean_recovery(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return means over seeds of the result of :meth:`PlantedBenchmark.score`, with Student's t intervals.

    The seeds are independent, so the interval is mean -+ t s / sqrt(seeds), cut at 0 and 1; NaN for one seed.

    Args:
        table: a table with the columns ``ranking``, ``scenario``, ``seed``, ``scope``, ``name`` and the
            measures.
        level: level of the intervals, between 0 and 1.

    Returns:
        One row per ranking, scenario, scope and name, in the order of the table: ``seeds``, the mean of each
        measure, its bounds (``_low`` and ``_high``), and the means of the values by chance.

    Raises:
        ParameterError: a column is missing, or a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    keys = ["ranking", "scenario", "scope", "name"]
    chances = [f"chance_{measure}" for measure in MEASURES]
    missing = [column for column in (*keys, "seed", *MEASURES, *chances) if column not in table]
    if missing:
        raise ParameterError(f"the table has no column {', '.join(missing)}; give what score() returns")
    groups = table.groupby(keys, sort=False)
    means = groups[["seed"]].nunique().rename(columns={"seed": "seeds"})
    for measure in MEASURES:
        mean, error = groups[measure].mean(), groups[measure].std(ddof=1) / np.sqrt(means["seeds"])
        half = error * stats.t.ppf((1.0 + level) / 2.0, means["seeds"] - 1)
        means[measure] = mean
        means[f"{measure}_low"] = (mean - half).clip(lower=0.0)
        means[f"{measure}_high"] = (mean + half).clip(upper=1.0)
    for chance in chances:
        means[chance] = groups[chance].mean()
    return means.reset_index()


def precision_in_order(hits: np.ndarray, n_ranked: int, k: int) -> tuple[float, float]:
    """Return precision at k and average precision of an order, best first.

    Args:
        hits: bool (neurons,), in order: True for the neurons to be found, at least one.
        n_ranked: number of ranked neurons; for those after them the result is the expectation over all orders.
        k: number of first neurons, from 1 to the number of neurons.

    >>> precision_in_order(np.array([True, False, True, False]), 4, 2)
    (0.5, 0.8333333333333333)
    """
    seen, places = np.cumsum(hits), np.arange(1, hits.size + 1)
    wanted, before = int(seen[-1]), int(seen[n_ranked - 1]) if n_ranked else 0
    left, rest = hits.size - n_ranked, wanted - before
    share = rest / left if left else 0.0
    first = seen[min(k, n_ranked) - 1] if n_ranked else 0
    precision = (first + max(0, k - n_ranked) * share) / k
    known = (seen / places)[:n_ranked][hits[:n_ranked]].sum()
    others = (rest - 1) / (left - 1) if left > 1 else 0.0  # each place before a hit among the unranked ones
    reached = before + 1 + np.arange(left) * others
    unknown = share * (reached / places[n_ranked:]).sum() if rest else 0.0
    return float(precision), float((known + unknown) / wanted)


def _questions(planted: Planted, ranking: Ranking) -> Iterator[tuple[str, str, np.ndarray, int, np.ndarray]]:
    """Yield scope, name, the order of the neurons that count, the number of ranked ones, and the targets."""
    informative = np.isin(planted.kind, INFORMATIVE)
    if not informative.any():
        raise ParameterError("nothing is planted; plant neurons of an informative kind")
    ranked = np.arange(ranking.order.size) < ranking.n_ranked
    yield "all", "", ranking.order, ranking.n_ranked, informative
    for kind in [kind for kind in INFORMATIVE if (planted.kind == kind).any()]:
        of_kind = planted.kind == kind
        kept = (of_kind | ~informative)[ranking.order]
        yield "kind", kind, ranking.order[kept], int(np.count_nonzero(ranked & kept)), of_kind
    for index, label in enumerate(planted.labels):
        if ranking.label_scores is not None and label in ranking.labels and planted.carries[:, index].any():
            of_label = ranking.label(label)
            yield "label", label, of_label.order, of_label.n_ranked, planted.carries[:, index]
