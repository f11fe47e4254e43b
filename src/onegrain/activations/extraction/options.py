"""Options for encoding words as subwords."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from onegrain.activations.extraction.alignment import Aggregate, require_aggregate
from onegrain.errors import ParameterError
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import Side

__all__ = ["EncodingOptions", "Long", "puts_start", "start_tokens"]

Long = Literal["error", "truncate", "window"]
"""The treatment of a sentence that is too long for the model: refuse it, cut it off, or read it in windows."""


@dataclass(frozen=True)
class EncodingOptions:
    """Options for splitting words into subwords and for combining subwords into word values.

    Attributes:
        aggregate: a word's value is that of its ``last`` or ``first`` subword, or their ``mean``.
        long: treatment of a sentence that is too long for the model: ``error`` raises an error, ``truncate``
            leaves the words that do not fit without an activation, and ``window`` reads overlapping windows,
            each word where it has the most context.
        special_tokens: store the special tokens around each sentence as extra words.
        bos: True to put the start token before each sentence if the tokenizer does not. None means: as when
            the model is scored, which :func:`puts_start` decides.
    """

    aggregate: Aggregate = "last"
    long: Long = "error"
    special_tokens: bool = False
    bos: bool | None = None

    def __post_init__(self) -> None:
        require_aggregate(self.aggregate)
        if self.long not in get_args(Long):
            raise ParameterError(f"long must be one of {', '.join(get_args(Long))}, got {self.long!r}")


def puts_start(loaded: LoadedModel, side: Side, options: EncodingOptions) -> bool:
    """Return whether to add the start token: as ``bos`` says or, by default, if the model is scored with it."""
    if options.bos is not None:
        return options.bos
    return side == "source" and loaded.task == "language model" and loaded.bos_id is not None


def start_tokens(loaded: LoadedModel, side: Side, options: EncodingOptions) -> list[int]:
    """Return the ids that are added before a sentence: the start token, or nothing without ``bos``.

    Raises:
        ParameterError: ``bos`` is set but the tokenizer has no start token, or the side is ``target``.
    """
    if not options.bos:
        return []
    if side == "target":
        raise ParameterError("a decoder's row always begins with its start token; leave bos out")
    if loaded.bos_id is None:
        raise ParameterError(
            f"the tokenizer of {loaded.identity.id} has no start token, or adds it itself; leave bos out"
        )
    return [loaded.bos_id]
