"""Read what the estimators are fitted to: arrays, tensors or activations, without words of weight zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from onegrain.core.constant import Extremes, exponents_of, rounding_in
from onegrain.errors import ParameterError
from onegrain.rankings.data.labelled import read_values
from onegrain.rankings.data.memory import Memory
from onegrain.rankings.elastic_net.solver import working_bytes
from onegrain.records.activations import Activations

__all__ = ["CountedWords", "read_activations", "read_pairs", "read_targets", "read_weights"]

BLOCK = 4096


def read_activations(estimator: Any, X: Any) -> np.ndarray:
    """Return activations (words, neurons), float32 or float64.

    Raises:
        ParameterError: a value is not finite.
        ValueError: the number of neurons is not that of the fit.
    """
    values = validate_data(
        estimator, _to_numpy(X), dtype=[np.float64, np.float32], order="C", ensure_all_finite=False, reset=False
    )
    _require_finite(values)
    return values


def read_pairs(estimator: Any, X: Any, y: Any, *, y_numeric: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return activations (words, neurons), float32 or float64, and the targets of the words, (words,)."""
    values, targets = validate_data(
        estimator,
        _to_numpy(X),
        _to_numpy(y),
        dtype=[np.float64, np.float32],
        order="C",
        ensure_all_finite=False,
        y_numeric=y_numeric,
    )
    _require_finite(values)
    return values, targets


def read_targets(estimator: Any, X: Activations, y: Any) -> np.ndarray:
    """Return the targets of a record's words, (words,), and set the estimator's number of neurons."""
    targets = validate_data(estimator, y=_to_numpy(y))
    check_consistent_length(np.empty(X.n_words), targets)
    estimator.n_features_in_ = X.n_neurons
    return targets


def read_weights(sample_weight: Any, n_words: int) -> np.ndarray | None:
    """Return finite weights of the words, float64 (words,), 0 or more; None if every word has weight one."""
    if sample_weight is None:
        return None
    weights = check_array(
        _to_numpy(sample_weight),
        ensure_2d=False,
        allow_nd=True,
        ensure_min_samples=0,
        dtype=np.float64,
        input_name="sample_weight",
    )
    if weights.shape != (n_words,):
        raise ParameterError(
            f"sample_weight must hold one weight for each of the {n_words} words, got shape {weights.shape}"
        )
    if (weights < 0.0).any():
        first = int((weights < 0.0).argmax())
        raise ParameterError(
            f"sample_weight must not be negative, got {weights[first]} for word {first}; 0 leaves a word out"
        )
    return weights


@dataclass(frozen=True, eq=False)
class CountedWords:
    """The words that have a weight above zero.

    Attributes:
        values: (words, neurons), float32 or float64; those read from a record may be in a scratch file.
        targets: (words,).
        weights: float64 (words,), with mean one, or None if every word has weight one.
    """

    values: Any
    targets: np.ndarray
    weights: np.ndarray | None

    @classmethod
    def of(cls, values: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> CountedWords:
        """Leave out the words of weight zero."""
        if weights is None:
            return cls(values, targets, None)
        counted = _counted(weights)
        if not counted.all():
            values, targets, weights = values[counted], targets[counted], weights[counted]
        return cls(values, targets, weights / weights.mean())

    @classmethod
    def read(
        cls, activations: Activations, targets: np.ndarray, weights: np.ndarray | None, memory: Memory
    ) -> CountedWords:
        """Read the words of a record whose weight is above zero, block by block.

        Their values go to main memory, or to a scratch file if they do not fit.

        Raises:
            ParameterError: the memory budget is too small, or all words have weight zero.
        """
        counted = np.ones(len(targets), dtype=bool) if weights is None else _counted(weights)
        targets = targets[counted]
        shape = len(targets), activations.n_neurons, len(np.unique(targets))
        memory.reserve(working_bytes(shape, 1), "a probe")
        values = read_values(activations, counted, memory)
        return cls(values, targets, None if weights is None else weights[counted] / weights[counted].mean())

    def __len__(self) -> int:
        return len(self.targets)

    def average(self, array: np.ndarray) -> Any:
        """Return the mean over the words, by weight, of an array whose first axis is the words."""
        return np.average(array, axis=0, weights=self.weights)

    @cached_property
    def mean(self) -> np.ndarray:
        """float64 (neurons,): means, by weight."""
        total = np.zeros(self.values.shape[1])
        for rows in self._rows():
            total += self._weigh(self.values[rows].astype(np.float64), rows).sum(axis=0)
        return total / len(self)

    @cached_property
    def spread(self) -> np.ndarray:
        """float64 (neurons,): standard deviations, by weight; 0 for a constant neuron (core/constant.py)."""
        total, extremes = np.zeros(self.values.shape[1]), Extremes(self.values.shape[1])
        for rows in self._rows():
            block = np.asarray(self.values[rows])
            extremes.add(block)
            total += self._weigh(np.square(block - self.mean), rows).sum(axis=0)
        constant = extremes.constant(rounding_in(self.values.dtype))
        return np.where(constant, 0.0, np.sqrt(total / len(self)))

    @property
    def scale(self) -> np.ndarray:
        """float64 (neurons,): the spread; 1 for a constant neuron."""
        return np.where(self.spread > 0.0, self.spread, 1.0)

    def standardized(self) -> np.ndarray:
        """Return the activations with mean 0 and standard deviation 1, (words, neurons), in their dtype."""
        lift = exponents_of(self.spread) if self.values.dtype == np.float32 else np.zeros(1, dtype=np.int64)
        scaled = np.ldexp(self.values, lift) if lift.any() else self.values.copy()
        scaled -= np.ldexp(self.mean, lift).astype(scaled.dtype)
        scaled /= np.ldexp(self.scale, lift).astype(scaled.dtype)
        return scaled

    def products(self, table: np.ndarray) -> np.ndarray:
        """Return the weighted mean of the centred activations times a table (words, k), (neurons, k)."""
        total = np.zeros((self.values.shape[1], table.shape[1]))
        for rows in self._rows():
            total += (self.values[rows] - self.mean).T @ self._weigh(table[rows], rows)
        return total / len(self)

    def _rows(self) -> Iterator[slice]:
        for first in range(0, len(self), BLOCK):
            yield slice(first, first + BLOCK)

    def _weigh(self, block: np.ndarray, rows: slice) -> np.ndarray:
        return block if self.weights is None else block * self.weights[rows, None]


def _counted(weights: np.ndarray) -> np.ndarray:
    """Return which words have a weight above zero, bool (words,).

    Raises:
        ParameterError: none has.
    """
    counted = weights > 0.0
    if not counted.any():
        raise ParameterError("all words have weight zero; at least one weight must be above zero")
    return counted


def _to_numpy(data: Any) -> Any:
    """Return tensors and activations as numpy arrays, and all else unchanged, for scikit-learn to check."""
    if isinstance(data, Activations):
        return data.values()
    if isinstance(data, torch.Tensor):
        tensor = data.detach().cpu()
        if tensor.layout != torch.strided:
            raise ParameterError(f"a dense tensor is needed, got one of {tensor.layout}; use to_dense()")
        return tensor.float().double().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    return data


def _require_finite(values: np.ndarray) -> None:
    """Raise ParameterError with the number of values that are not finite and the place of the first."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = np.argwhere(bad)[0].tolist()
        raise ParameterError(
            f"X holds {int(bad.sum())} values that are NaN or inf, where finite ones are needed; the first, "
            f"{values[row, column]}, is at row {row}, column {column}"
        )
