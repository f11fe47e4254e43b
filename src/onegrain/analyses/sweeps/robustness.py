"""Robustness: do rankings keep their order of merit when neurons are edited in another way?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from onegrain.analyses.judging.integration import LEVEL, bounded
from onegrain.analyses.sweeps.settings import SettingAreas, setting_areas
from onegrain.errors import ParameterError
from onegrain.records.sweep import Setting, Sweep

__all__ = ["Robustness", "has_robustness", "robustness"]

MERITS = ["metric", "edit", "ranking", "label", "merit", "low", "high", "place"]
AGREEMENT = ["metric", "first", "second", "kendall", "low", "high", "items"]
OVERALL = ["metric", "concordance", "low", "high", "edits", "items"]


@dataclass(frozen=True, eq=False)
class Robustness:
    """The agreement of the order of merit of a sweep's rankings between kinds of edit.

    Attributes:
        merits: one row per ``metric``, ``edit``, ``ranking`` and ``label``: ``merit``, ``low``, ``high``, and
            ``place`` (1 for the largest merit).
        agreement: one row per metric and pair of edits, ``first`` and ``second``: ``kendall`` (correlation of
            their orders of merit: 1 if the same, -1 if reversed), ``low``, ``high``, ``items`` (rankings and
            labels).
        overall: one row per metric: ``concordance`` (Kendall's W over all edits, from 0 to 1), ``low``,
            ``high``, ``edits``, ``items``.
        against: ``random`` if merits are areas of the top less those of the mean random order; empty if they
            are areas of the top, because random orders are missing.
        level: of the intervals, which are NaN without draws.
    """

    merits: pd.DataFrame
    agreement: pd.DataFrame
    overall: pd.DataFrame
    against: str
    level: float


def robustness(sweep: Sweep, *, level: float = LEVEL) -> Robustness:
    """Compare the order of merit of a sweep's rankings between its kinds of edit.

    The *merit* of a ranking (or of a ranking for a label) is the area under its top less that under its mean
    random order: how much more the edit of its first neurons damages than that of as many others. The agreement
    of two edits is Kendall's tau of the merits under both, that of all edits is Kendall's W [Kendall and
    Babington Smith 1939]. Both are computed in the corpus and in each draw of its sentences, which gives the
    interval. Where merits differ by little, draws change their order, and the interval lies below 1.

    Args:
        sweep: a sweep of two or more edits, and two or more rankings or labels.
        level: of the intervals, between 0 and 1.

    Raises:
        ParameterError: there are fewer than two edits, or fewer than two rankings or labels with a top.
    """
    areas = setting_areas(sweep)
    if len(sweep.edits) < 2:
        raise ParameterError("robustness needs a sweep of two or more edits, such as zero and mean")
    against = "random" if all(each.over_random is not None for each in areas.values()) else ""
    merits: list[tuple[object, ...]] = []
    agreement: list[tuple[object, ...]] = []
    overall: list[tuple[object, ...]] = []
    for metric in sweep.metrics:
        by_edit = _merits(areas, metric, against)
        items = _complete_items(by_edit)
        if len(items) < 2:
            continue
        tables = {edit: np.stack([of_edit[item] for item in items]) for edit, of_edit in by_edit.items()}
        for edit, table in tables.items():
            places = rankdata(-table[:, 0], method="min").astype(int)
            for item, values, place in zip(items, table, places, strict=True):
                merits.append((metric, edit, *item, *bounded(values, level), int(place)))
        for first, second in combinations(tables, 2):
            tau = kendall(tables[first], tables[second])
            agreement.append((metric, first, second, *bounded(tau, level), len(items)))
        concordance = concordances(np.stack(list(tables.values())))
        overall.append((metric, *bounded(concordance, level), len(tables), len(items)))
    if not overall:
        raise ParameterError("robustness needs a line top of two or more rankings or labels under every edit")
    return Robustness(
        pd.DataFrame(merits, columns=MERITS),
        pd.DataFrame(agreement, columns=AGREEMENT),
        pd.DataFrame(overall, columns=OVERALL),
        against,
        level,
    )


def has_robustness(sweep: Sweep) -> bool:
    """Return True if :func:`robustness` has something to compare in a sweep."""
    try:
        robustness(sweep)
    except ParameterError:
        return False
    return True


Item = tuple[str, str | None]
"""A ranking and a label."""


def _merits(
    areas: Mapping[Setting, SettingAreas], metric: str, against: str
) -> dict[str, dict[Item, np.ndarray]]:
    """Return edit -> ranking and label -> merit, (1 + resamples,)."""
    merits: dict[str, dict[Item, np.ndarray]] = {}
    for (ranking, label, name, edit), each in areas.items():
        merit = each.over_random if against else each.lines.get("top")
        if name == metric and merit is not None:
            merits.setdefault(edit, {})[ranking, label] = merit
    return merits


def _complete_items(by_edit: Mapping[str, Mapping[Item, np.ndarray]]) -> list[Item]:
    """Return the rankings and labels that have a merit under every edit, if there are two edits or more."""
    if len(by_edit) < 2:
        return []
    first, *others = by_edit.values()
    return [item for item in first if all(item in other for other in others)]


def kendall(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Kendall's tau of two sets of merits, (items, columns) each, for every column: float64 (columns,).

    It is the mean over all pairs of items of 1 if both order the pair alike, -1 if not, and 0 for a tie.

    >>> merits = np.array([[1.0], [2.0], [3.0]])
    >>> kendall(merits, merits).tolist(), kendall(merits, -merits).tolist()
    ([1.0], [-1.0])
    """
    upper, lower = np.triu_indices(len(first), 1)
    return (np.sign(first[upper] - first[lower]) * np.sign(second[upper] - second[lower])).mean(axis=0)


def concordances(merits: np.ndarray) -> np.ndarray:
    """Return Kendall's W of merits (edits, items, columns), for every column: float64 (columns,), from 0 to 1.

    W = 12 S / (m^2 (n^3 - n)), S being the squared deviations of the items' sums of ranks from their mean, for
    m edits and n items.

    >>> merits = np.array([[[1.0], [2.0], [3.0]]] * 4)
    >>> concordances(merits).tolist()
    [1.0]
    """
    edits, items, _ = merits.shape
    sums = rankdata(merits, axis=1, nan_policy="omit").sum(axis=0)
    squares = ((sums - sums.mean(axis=0)) ** 2).sum(axis=0)
    return 12.0 * squares / (edits**2 * (items**3 - items))
