"""The places where an edit applies: everywhere, at words of a label, at positions, or in a part of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from onegrain.core.options import require_choice
from onegrain.errors import LabelError, ParameterError
from onegrain.models.passing import Position, Rows

__all__ = ["Where"]

PARTS = ("prompt", "generated")


@dataclass(frozen=True)
class Where:
    """The positions at which an edit applies; all of those asked for at once, everywhere by default.

    The side, source or target, is that of the edited site.

    Attributes:
        words: ``LAYER=LABEL``: the subwords of the words with this label, in corpora whose words are known to
            the pass (metrics name them).
        positions: positions of subwords, counted from 0 at a row's first subword, a start token included, or
            from -1 at its last; in generation the last is that of the prompt.
        part: ``prompt`` or ``generated``: in generation, the subwords of the prompt (in a translation model's
            decoder its start tokens), or those that were generated, as they are read again.

    Raises:
        ParameterError: ``words`` names no label, a position is no whole number, or a part does not exist.
    """

    words: str | None = None
    positions: tuple[int, ...] | None = None
    part: Literal["prompt", "generated"] | None = None

    def __post_init__(self) -> None:
        if self.words is not None and not all(str(self.words).partition("=")[::2]):
            raise ParameterError(f"words must be LAYER=LABEL, e.g. upos=NOUN, got {self.words!r}")
        if self.positions is not None:
            object.__setattr__(self, "positions", tuple(self.positions))
            if not self.positions or not all(type(place) is int for place in self.positions):
                raise ParameterError(f"positions must be whole numbers, got {self.positions!r}")
        if self.part is not None:
            require_choice("part", self.part, PARTS)

    @property
    def everywhere(self) -> bool:
        """True if the edit applies at every position."""
        return self == Where()

    def to_json(self) -> dict[str, Any]:
        """Return the restrictions as plain values; empty for everywhere."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in values.items()
            if value is not None
        }

    @classmethod
    def from_json(cls, value: Any) -> Where:
        """Return what :meth:`to_json` wrote.

        Raises:
            ParameterError: the value is of another form.
        """
        known = [entry.name for entry in fields(cls)]
        if not isinstance(value, Mapping) or not set(value) <= set(known):
            raise ParameterError(f"where takes {', '.join(known)}, got {value!r:.60}")
        places = value.get("positions")
        if places is not None and not isinstance(places, list):
            raise ParameterError(f"positions must be whole numbers, got {places!r:.60}")
        return cls(**{**value, "positions": None if places is None else tuple(places)})

    def mask(self, position: Position | None) -> Tensor | None:
        """Return a mask, bool like ``position.real``, of the positions; None for all.

        Raises:
            ParameterError: the pass does not say what is needed: words, or that it generates.
            LabelError: the corpus lacks the layer.
        """
        if self.everywhere:
            return None
        if position is None:
            raise ParameterError("an edit at chosen places needs a forward pass of the whole model")
        mask = position.real.clone()
        if self.positions is not None:
            mask &= self._at_positions(position)
        if self.part is not None:
            mask &= self._in_part(position)
        if self.words is not None:
            mask &= self._at_words(position)
        return mask

    def _at_positions(self, position: Position) -> Tensor:
        length = position.length if position.prompt is None else position.prompt
        length = length if position.index.dim() == 1 else length[:, None]
        places = [place if place >= 0 else length + place for place in self.positions or ()]
        return torch.stack([position.index == place for place in places]).any(0)

    def _in_part(self, position: Position) -> Tensor:
        if position.prompt is None:
            raise ParameterError(f"an edit of the {self.part} part needs a generation, and this pass is none")
        prompt = position.prompt if position.index.dim() == 1 else position.prompt[:, None]
        return position.index < prompt if self.part == "prompt" else position.index >= prompt

    def _at_words(self, position: Position) -> Tensor:
        words = position.words()
        if position.rows is None or words is None:
            raise ParameterError(
                f"an edit at the words with {self.words} needs to know which words are read: use a metric on a "
                "corpus with this layer, or name the rows with onegrain.models.reading_rows"
            )
        table = torch.from_numpy(self._labelled(position.rows, position)).to(words.device)
        rows = table.repeat_interleave(position.repeats, 0)
        places = words if words.dim() == 2 else words[:, None]
        chosen = rows.gather(1, places.clamp(min=0)) & (places >= 0)
        return chosen if words.dim() == 2 else chosen[:, 0]

    def _labelled(self, rows: Rows, position: Position) -> np.ndarray:
        """Return which words of each sentence carry the label, bool (sentences, words)."""
        corpus = rows.corpus_of(position.side)
        name, _, label = str(self.words).partition("=")
        if corpus is None:
            raise ParameterError(f"nothing is known of the {position.side} words, so none has {self.words}")
        layer = corpus.layer(name)
        if label not in layer.vocabulary:
            raise LabelError(f"layer {name!r} of {corpus.source} has no label {label!r}")
        code = layer.vocabulary.index(label)
        sentences = [layer.codes[corpus.offsets[n] : corpus.offsets[n + 1]] for n in rows.sentences]
        table = np.zeros((len(sentences), max(map(len, sentences), default=0) or 1), dtype=bool)
        for number, codes in enumerate(sentences):
            table[number, : len(codes)] = codes == code
        return table
