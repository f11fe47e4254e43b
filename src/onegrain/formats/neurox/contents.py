"""What a file of NeuroX holds besides the values, whichever format it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Contents", "Origin"]


@dataclass(frozen=True)
class Origin:
    """Where a file that onegrain exported came from; NeuroX's own files do not say.

    Attributes:
        sites: the site that each layer is.
        provenance: that of the activations which were exported, as JSON.
    """

    sites: tuple[str, ...]
    provenance: dict[str, Any]


@dataclass(frozen=True)
class Contents:
    """The shape and the words of a file.

    Attributes:
        counts: int64 (sentences,), tokens of every sentence.
        layers: layers of the file.
        width: neurons of each layer.
        sentences: the words of every sentence, or None where they were not asked for.
        origin: of an HDF5 file that onegrain exported; None elsewhere.
    """

    counts: np.ndarray
    layers: int
    width: int
    sentences: tuple[tuple[str, ...], ...] | None
    origin: Origin | None = None
