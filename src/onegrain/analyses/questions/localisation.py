"""Question 1 of [Dalvi19]: is a property localised in few neurons or distributed over many?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import entr

from onegrain.analyses.questions.topsets import mass_prefix, require_mass
from onegrain.analyses.questions.wordclass import word_classes
from onegrain.errors import ParameterError
from onegrain.records.ranking import Ranking

__all__ = ["effective_number", "gini", "localisation", "mass_curves", "open_against_closed"]

SHARES = (0.25, 0.5, 0.9)


def effective_number(mass: np.ndarray) -> float:
    """Return exp(entropy of the shares of a mass): k if k neurons share it equally, NaN if there is no mass.

    >>> round(effective_number(np.array([2.0, 2.0, 0.0])), 6)
    2.0
    """
    total = float(mass.sum())
    if total <= 0:
        return float("nan")
    return float(np.exp(np.sum(entr(mass / total))))


def gini(mass: np.ndarray) -> float:
    """Return the Gini coefficient of a mass: 0 if all hold the same, 1 - 1/n if one holds all, NaN for no mass.

    Half the mean absolute difference over the mean, computed from the sorted values.

    >>> gini(np.array([1.0, 1.0])), gini(np.array([0.0, 1.0]))
    (0.0, 0.5)
    """
    total, size = float(mass.sum()), mass.size
    if total <= 0:
        return float("nan")
    ranks = np.arange(1, size + 1)
    return float(np.sum((2 * ranks - size - 1) * np.sort(mass)) / (size * total))


def localisation(ranking: Ranking, counts: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Measure how the weight mass of every label is spread over the neurons.

    Args:
        ranking: a ranking with label scores that are sizes (LCA: |theta|).
        counts: words of each label, e.g. ``layer.counts()``; default those in ``ranking.details``, if any.

    Returns:
        One row per label: ``label``, ``word_class`` (open, closed, other or None), ``words`` (or None),
        ``nonzero`` (neurons with any mass), ``neurons_25``, ``neurons_50``, ``neurons_90`` (neurons holding
        that share of the mass), ``effective`` (exp of the entropy of the shares), ``effective_share`` (of all
        neurons), ``gini``.

    Raises:
        LabelError: the ranking has no labels.
        ParameterError: the label scores are not sizes.
    """
    mass = require_mass(ranking)
    kinds = word_classes(ranking.labels)
    known = counts if counts is not None else label_counts(ranking)
    rows = []
    for label, scores in zip(ranking.labels, mass, strict=True):
        effective = effective_number(scores)
        row: dict[str, Any] = {"label": label, "word_class": kinds[label], "words": known.get(label)}
        row["nonzero"] = int(np.count_nonzero(scores))
        row |= {f"neurons_{round(100 * share)}": mass_prefix(scores, share) for share in SHARES}
        row |= {
            "effective": effective,
            "effective_share": effective / ranking.space.size,
            "gini": gini(scores),
        }
        rows.append(row)
    frame = pd.DataFrame(rows)
    for column in ("word_class", "words"):
        frame[column] = pd.Series([row[column] for row in rows], dtype=object)
    return frame


def label_counts(ranking: Ranking) -> dict[str, int]:
    """Return the number of training words of each label from an LCA ranking's details; empty if unknown."""
    counts = (ranking.details.get("train") or {}).get("label_words") or {}
    return {str(label): int(count) for label, count in counts.items()}


def open_against_closed(frame: pd.DataFrame) -> pd.DataFrame:
    """Average a :func:`localisation` table over the labels of each word class.

    Returns:
        One row each for ``open``, ``closed`` and ``other``, if it has a label with mass: ``word_class``,
        ``labels`` (how many), and the means of the measures. Empty if the word classes are unknown.
    """
    measures = [
        *(f"neurons_{round(100 * share)}" for share in SHARES),
        "effective",
        "effective_share",
        "gini",
    ]
    rows = []
    for kind in ("open", "closed", "other"):
        part = frame[(frame["word_class"] == kind) & frame["effective"].notna()]
        if len(part):
            rows.append({"word_class": kind, "labels": len(part), **part[measures].mean().to_dict()})
    return pd.DataFrame(rows, columns=["word_class", "labels", *measures])


def mass_curves(ranking: Ranking, points: int = 60) -> pd.DataFrame:
    """Return the share of each label's mass in its k largest neurons, at about ``points`` values of k.

    Returns:
        Columns ``label``, ``word_class``, ``neurons`` (k, spaced evenly on a log scale), ``share`` (0 to 1).
        Labels without mass have no rows.

    Raises:
        ParameterError: fewer than 2 points.
    """
    if points < 2:
        raise ParameterError(f"points must be at least 2, got {points}")
    mass = require_mass(ranking)
    kinds = word_classes(ranking.labels)
    ks = np.unique(np.geomspace(1, ranking.space.size, points).round().astype(np.int64))
    parts = []
    for label, scores in zip(ranking.labels, mass, strict=True):
        cumulative = np.cumsum(np.sort(scores)[::-1])
        if cumulative[-1] > 0:
            shares = cumulative[ks - 1] / cumulative[-1]
            part = pd.DataFrame({"label": label, "word_class": kinds[label], "neurons": ks, "share": shares})
            parts.append(part.astype({"word_class": object}))
    columns = ["label", "word_class", "neurons", "share"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
