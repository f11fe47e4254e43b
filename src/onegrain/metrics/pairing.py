"""Rows whose log-likelihoods are compared two by two."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onegrain.models.row_statistics import RowStatistics

__all__ = ["paired"]


def paired(rows: RowStatistics, columns: tuple[str, str]) -> RowStatistics:
    """Return the same rows with the log-likelihoods (nats) of units 2i and 2i + 1 as the statistics of pair i.

    Args:
        rows: rows with the statistics ``nll`` and ``subwords``.
        columns: the names of the two log-likelihoods of a pair.
    """
    units = rows.units

    def score(numbers: np.ndarray) -> np.ndarray:
        statistics = np.zeros((len(numbers), 2))
        statistics[np.arange(len(numbers)), units[numbers] % 2] = -rows.score(numbers)[:, 0]
        return statistics

    return replace(rows, units=units // 2, n_units=rows.n_units // 2, columns=columns, score=score)
