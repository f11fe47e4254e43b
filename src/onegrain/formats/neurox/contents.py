"""The contents of a NeuroX file except its values, for both formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Contents", "Origin"]


@dataclass(frozen=True)
class Origin:
    """The origin of a file that onegrain exported; files written by NeuroX have none.

    Attributes:
        sites: the site of each layer.
        provenance: provenance of the exported activations, as JSON.
    """

    sites: tuple[str, ...]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """The shape and the words of a file.

    Attributes:
        counts: int64 (sentences,), number of tokens in each sentence.
        layers: number of layers.
        width: number of neurons in each layer.
        sentences: the words of each sentence, or None if they were not requested.
        origin: origin of an HDF5 file that onegrain exported; None for other files.
    """

    counts: np.ndarray
    layers: int
    width: int
    sentences: tuple[tuple[str, ...], ...] | None
    origin: Origin | None = None
