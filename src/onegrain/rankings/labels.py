"""The labels of a layer that have enough words for a method to use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from onegrain.core.options import require_count
from onegrain.errors import LabelError
from onegrain.records.activations import Activations

__all__ = [
    "MIN_COUNT",
    "KeptLabels",
    "LabelOptions",
    "keep_labels",
    "labels_left_out",
    "require_labels",
]

MIN_COUNT = 10
"""By default, a label with fewer words is left out: in a ranking it would weigh as much as any other label,
based on a few words."""


@dataclass(frozen=True)
class LabelOptions:
    """Parameters of a method that uses labels and has no other parameters.

    Attributes:
        min_count: a label with fewer words is left out.
    """

    min_count: int = MIN_COUNT

    def __post_init__(self) -> None:
        require_count("min_count", self.min_count)


@dataclass(frozen=True)
class KeptLabels:
    """The labels of a layer that are kept, and those that have too few words.

    Attributes:
        names: labels that are kept, sorted.
        left_out: name -> number of words of each label that is left out, sorted by name.
    """

    names: tuple[str, ...]
    left_out: dict[str, int]


def keep_labels(
    activations: Activations, layer: str, among: Bool[np.ndarray, " words"], min_count: int
) -> KeptLabels:
    """Return the labels of a layer that have at least ``min_count`` words, and at least one.

    Args:
        activations: activations of the words.
        layer: name of the label layer.
        among: bool (words,), the words that count: those with an activation, in the sentences that are read.
        min_count: least number of words of a label.

    Raises:
        LabelError: the layer does not exist, or fewer than two labels are left.
    """
    label_layer = activations.layer(layer)
    counted = label_layer.codes[among & (label_layer.codes >= 0)]
    counts = np.bincount(counted, minlength=len(label_layer.vocabulary)).tolist()
    words = dict(zip(label_layer.vocabulary, counts, strict=True))
    names = tuple(name for name, count in words.items() if count >= max(1, min_count))
    left_out = {name: count for name, count in words.items() if name not in names}
    if len(names) < 2:
        kept = f"{names[0]} ({words[names[0]]}) alone is left" if names else "none is left"
        omitted = f"; left out: {_listed(left_out)}" if left_out else ""
        raise LabelError(
            f"label layer {layer!r} of {activations.describe()} has fewer than two labels with at least "
            f"{min_count} words that have an activation: {kept}{omitted}; lower min_count, label more words, "
            "or choose another layer"
        )
    return KeptLabels(names, left_out)


def require_labels(activations: Activations, layer: str, min_count: int) -> None:
    """Raise LabelError unless at least two labels have enough words; see :func:`keep_labels`."""
    keep_labels(activations, layer, activations.present, min_count)


def labels_left_out(details: Mapping[str, Any]) -> str:
    """Return the labels left out according to a record's ``details``: ``NAME (WORDS), ...``, or ""."""
    words = details.get("train") or details
    return _listed(words.get("labels_left_out") or {})


def _listed(words: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count} word{'' if count == 1 else 's'})" for name, count in words.items())
