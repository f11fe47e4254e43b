"""The edit ``resample``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from onegrain.core.options import require_count
from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.models.passing import Position

__all__ = ["Resample"]

LIMIT = 2**31


@dataclass(frozen=True)
class Resample(NeuronEdit):
    """Set neurons to the values that they have at a random word of a reference.

    All neurons of a site take the values of the same word. The word depends on the seed, the number of the
    sentence and the position only, so it is the same in every batch.

    Attributes:
        seed: random seed.
    """

    kind: ClassVar[str] = "resample"
    summary: ClassVar[str] = "sets neurons to their values at a random word of a reference"

    seed: int = 0

    def __post_init__(self) -> None:
        require_count("seed", self.seed, 0, LIMIT - 1)

    @property
    def needs_samples(self) -> bool:
        """True."""
        return True

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        return _Resampled(reference.samples(), self.seed)


class _Resampled(Change):
    """A change to the values of words that are drawn by a hash of sentence and position."""

    def __init__(self, samples: np.ndarray, seed: int) -> None:
        self._samples, self._seed = torch.from_numpy(np.ascontiguousarray(samples)), seed

    @property
    def needs_position(self) -> bool:
        """True."""
        return True

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the drawn values of each position."""
        if position is None:
            raise ParameterError("resample needs a forward pass of the whole model, which says what is read")
        sentences = position.sentences()
        if position.index.dim() == 2:
            sentences = sentences[:, None]
        drawn = mixed(sentences * LIMIT + position.index.clamp(min=0), self._seed) % len(self._samples)
        return self._samples.to(values)[drawn]


def mixed(numbers: Tensor, seed: int) -> Tensor:
    """Return a hash of each number, int64, 0 or more, evenly spread.

    The mixing function is that of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    mixed = numbers + np.int64(np.uint64(0x9E3779B97F4A7C15).view(np.int64)).item() * (seed + 1) % 2**62
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ ((mixed >> shift) & (2 ** (64 - shift) - 1))) * np.uint64(factor).view(np.int64).item()
    return (mixed ^ ((mixed >> 31) & (2**33 - 1))) & (2**63 - 1)
