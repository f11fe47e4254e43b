"""How well a ranking recovers planted neurons: precision at k, average precision, and both by chance."""

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
    """Precision at k and average precision of a ranking of planted neurons.

    Overall the planted neurons of all kinds are to come before all others. For one kind those of the other
    kinds are taken out of the order first, so that finding them costs nothing. In a label's own order, where
    the ranking has one, the neurons that carry the label are to come before all others, those of other labels
    included.

    Precision is the share of planted neurons among the first k. Average precision is the mean, over the planted
    neurons, of the precision at the place of each: the area under precision against recall, as in
    scikit-learn's ``average_precision_score``. Neurons that a ranking leaves unranked have no order: what is
    given is the expectation over all their orders. ``chance_`` is the same where nothing is ranked.

    Args:
        planted: what every neuron does.
        ranking: of its neurons.
        k: for precision; None for as many as are planted.

    Returns:
        One row a question: ``scope`` (``all``, ``kind`` or ``label``), ``name`` (of the kind or label),
        ``planted`` and ``among`` (numbers of neurons), ``k``, ``precision``, ``average_precision``,
        ``chance_precision``, ``chance_average_precision``.

    Raises:
        MismatchError: the ranking is of other neurons.
        ParameterError: nothing is planted, or k is not from 1 to the number of neurons.
    """
    planted.activations.space.require_same(ranking.space, f"{ranking.method} ranking")
    if k is not None:
        require_count("k", k, 1)
        ranking.require_k(k)
    rows = []
    for scope, name, order, n_ranked, found in _questions(planted, ranking):
        hits = found[order]
        asked = min(k or int(hits.sum()), hits.size)
        precision, average = precision_in_order(hits, n_ranked, asked)
        by_chance = precision_in_order(hits, 0, asked)
        facts = (scope, name, int(hits.sum()), hits.size, asked)
        rows.append((*facts, precision, average, *by_chance))
    columns = ["scope", "name", "planted", "among", "k", *MEASURES, *(f"chance_{one}" for one in MEASURES)]
    return pd.DataFrame(rows, columns=columns)


def mean_recovery(table: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Means over seeds of what :meth:`PlantedBenchmark.score` gives, with Student's t intervals.

    The seeds are apart, so mean -+ t s / sqrt(seeds), cut at 0 and 1; NaN for one seed.

    Args:
        table: with columns ``ranking``, ``scenario``, ``seed``, ``scope``, ``name`` and the measures.
        level: of the intervals, between 0 and 1.

    Returns:
        One row a ranking, scenario, scope and name, in the order of the table: ``seeds``, each measure's mean
        under its name, its bounds under ``_low`` and ``_high``, and the means of the chances.

    Raises:
        ParameterError: a column is missing, or a level outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise ParameterError(f"level must lie between 0 and 1, got {level}")
    keys = ["ranking", "scenario", "scope", "name"]
    chances = [f"chance_{one}" for one in MEASURES]
    missing = [one for one in (*keys, "seed", *MEASURES, *chances) if one not in table]
    if missing:
        raise ParameterError(f"the table has no column {', '.join(missing)}; give what score() returns")
    groups = table.groupby(keys, sort=False)
    made = groups[["seed"]].nunique().rename(columns={"seed": "seeds"})
    for one in MEASURES:
        mean, error = groups[one].mean(), groups[one].std(ddof=1) / np.sqrt(made["seeds"])
        half = error * stats.t.ppf((1.0 + level) / 2.0, made["seeds"] - 1)
        made[one] = mean
        made[f"{one}_low"], made[f"{one}_high"] = (mean - half).clip(lower=0.0), (mean + half).clip(upper=1.0)
    for one in chances:
        made[one] = groups[one].mean()
    return made.reset_index()


def precision_in_order(hits: np.ndarray, n_ranked: int, k: int) -> tuple[float, float]:
    """Precision at k and average precision of an order, best first.

    Args:
        hits: bool (neurons,), in order, which are to be found; at least one.
        n_ranked: the neurons from there on are in random order, and the expectation is given.
        k: from 1 to the number of neurons.

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
    """Scope, name, the order of the neurons that count, how many of them are ranked, and those to be found."""
    informative = np.isin(planted.kind, INFORMATIVE)
    if not informative.any():
        raise ParameterError("nothing is planted; plant neurons of an informative kind")
    ranked = np.arange(ranking.order.size) < ranking.n_ranked
    yield "all", "", ranking.order, ranking.n_ranked, informative
    for kind in [one for one in INFORMATIVE if (planted.kind == one).any()]:
        own = planted.kind == kind
        kept = (own | ~informative)[ranking.order]
        yield "kind", kind, ranking.order[kept], int(np.count_nonzero(ranked & kept)), own
    for at, label in enumerate(planted.labels):
        if ranking.label_scores is not None and label in ranking.labels and planted.carries[:, at].any():
            own_order = ranking.label(label)
            yield "label", label, own_order.order, own_order.n_ranked, planted.carries[:, at]
