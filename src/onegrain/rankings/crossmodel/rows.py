"""Activations in scratch files, with their rows in another order, and as normal scores."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import rankdata

from onegrain.rankings.data.memory import ScratchTable
from onegrain.records.activations import Activations

__all__ = ["ReorderedRows", "copied", "normal_scores"]

STRIPE_BYTES = 2**26
"""Bytes of the columns that are sorted at once."""


class ReorderedRows:
    """A table (words, neurons), with its rows in another order if wanted, as an array of activations."""

    ndim = 2

    def __init__(self, table: Any, order: np.ndarray | None = None) -> None:
        self._table = table
        self._order = order
        self.shape: tuple[int, ...] = tuple(table.shape)

    def __getitem__(self, key: tuple[slice, slice] | slice) -> np.ndarray:
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        chosen = rows if self._order is None else self._order[rows]
        return np.asarray(self._table[chosen])[:, columns]


def copied(activations: Activations) -> ScratchTable:
    """Return a copy of the values in a scratch file, from which rows can be read in any order."""
    table = _scratch(activations)
    for start, block in activations.blocks():
        table[start : start + len(block)] = torch.from_numpy(block)
    return table


def normal_scores(activations: Activations, among: np.ndarray, constant: np.ndarray) -> Activations:
    """Return the activations with each neuron's values replaced by normal scores, ndtri((rank - 1/2) / words).

    Equal values share their mean rank.

    Args:
        activations: the activations.
        among: bool (words,), the words that count; scores of the others are 0.
        constant: bool (neurons,), constant neurons, whose scores are all 0.
    """
    source = activations.array
    if not isinstance(source, np.ndarray) or activations.columns is not None:
        source = copied(activations)
    counted = np.flatnonzero(among)
    in_memory = isinstance(source, np.ndarray)
    table: Any = np.empty(source.shape, dtype=np.float32) if in_memory else _scratch(activations)
    width = max(1, STRIPE_BYTES // (8 * max(1, activations.n_words)))
    for start in range(0, activations.n_neurons, width):
        columns = slice(start, min(start + width, activations.n_neurons))
        ranks = rankdata(_stripe(source, columns)[counted], axis=0)
        scores = np.zeros((activations.n_words, ranks.shape[1]), dtype=np.float32)
        scores[counted] = np.where(constant[columns], 0.0, ndtri((ranks - 0.5) / len(counted)))
        table[:, columns] = scores if in_memory else torch.from_numpy(scores)
    return replace(activations, array=table if in_memory else ReorderedRows(table), columns=None)


def _scratch(activations: Activations) -> ScratchTable:
    shape = activations.n_words, activations.n_neurons
    return ScratchTable(shape, torch.float32, Path(tempfile.gettempdir()))


def _stripe(table: Any, columns: slice) -> np.ndarray:
    """Return some columns of a table."""
    if isinstance(table, np.ndarray):
        return table[:, columns]
    step = max(1, STRIPE_BYTES // (4 * table.shape[1]))
    starts = range(0, table.shape[0], step)
    return np.concatenate([np.asarray(table[start : start + step])[:, columns] for start in starts])
