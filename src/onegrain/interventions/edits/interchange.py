"""The edit ``interchange``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from onegrain.errors import ParameterError
from onegrain.interventions.edits.edit import Change, NeuronEdit, SiteReference
from onegrain.models.passing import Position

__all__ = ["Interchange"]


@dataclass(frozen=True)
class Interchange(NeuronEdit):
    """Set neurons to the values that they have on a paired sentence, at the same position.

    The pairs are a corpus with one sentence for each sentence that is read. A sentence and its pair must have
    as many subwords wherever the edit applies.
    """

    kind: ClassVar[str] = "interchange"
    summary: ClassVar[str] = "sets neurons to their values on a paired sentence"

    @property
    def needs_pairs(self) -> bool:
        """True."""
        return True

    def at(self, reference: SiteReference) -> Change:
        """Return the edit of the reference's neurons."""
        return _Interchanged(reference)


class _Interchanged(Change):
    """A change to the values of the paired sentences."""

    def __init__(self, reference: SiteReference) -> None:
        self._reference = reference

    @property
    def needs_position(self) -> bool:
        """True."""
        return True

    def __call__(self, values: Tensor, position: Position | None) -> Tensor:
        """Return the paired values of each position; the values themselves on padding."""
        if position is None or position.rows is None:
            raise ParameterError(
                "interchange needs to know which sentence is read: use a metric, or name the rows with "
                "onegrain.models.reading_rows"
            )
        if position.rows.parts:
            raise ParameterError(
                "interchange needs complete sentences, and this metric reads documents in windows; use "
                "perplexity"
            )
        places = position.index if position.index.dim() == 2 else position.index[:, None]
        real = position.real if position.real.dim() == 2 else position.real[:, None]
        rows = []
        for sentence, row, used in zip(position.sentences().tolist(), places, real, strict=True):
            partner = self._reference.paired(sentence)
            wanted = int(row[used].max()) + 1 if bool(used.any()) else 0
            if wanted > len(partner):
                raise ParameterError(
                    f"sentence {sentence} (counted from 0) has {wanted} subwords or more, and its pair "
                    f"{len(partner)}: interchange needs pairs of equal length"
                )
            rows.append(partner.to(values)[row.clamp(0, len(partner) - 1)])
        paired = torch.stack(rows)
        paired = torch.where(real[..., None], paired, values if values.dim() == 3 else values[:, None])
        return paired if values.dim() == 3 else paired[:, 0]
