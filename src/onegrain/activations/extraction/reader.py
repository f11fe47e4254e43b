"""Run a model over the rows of a corpus and collect the values of its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from onegrain.activations.extraction.buffers import Buffers
from onegrain.activations.extraction.capture import Capture, EveryValueRead
from onegrain.activations.extraction.encoding import EncodedCorpus, EncodedRow
from onegrain.errors import ModelError
from onegrain.models.architectures import ARCHITECTURES
from onegrain.models.batching import by_length
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import SitePoint
from onegrain.records.space import NeuronSpace

__all__ = ["Block", "Reader"]


@dataclass(frozen=True)
class Block:
    """The activations of consecutive words.

    Attributes:
        values: float32 (words, neurons), a view of one of the reader's buffers that is valid until the block is
            passed to :meth:`Reader.release`; NaN for words without an activation.
        missing: bool (words,), True for words without an activation.
    """

    values: Float32[np.ndarray, "words neurons"]
    missing: Bool[np.ndarray, " words"]


class Reader:
    """A reader of a model's activations that returns one range of words at a time.

    Args:
        loaded: the model.
        points: the sites to read, all of one side.
        space: the neurons of those sites, in the same order.
        encoded: the corpus as rows of subwords.
        batch_size: largest number of rows in one forward pass.
        equal_rows: batch only rows of equal length, because the values depend on padding.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        points: Sequence[SitePoint],
        space: NeuronSpace,
        encoded: EncodedCorpus,
        batch_size: int,
        *,
        equal_rows: bool = False,
    ) -> None:
        self.loaded = loaded
        self.points = points
        self.space = space
        self.encoded = encoded
        self.batch_size = batch_size
        self.equal_rows = equal_rows
        self._buffers = Buffers(space.size)
        self._lent: dict[int, np.ndarray] = {}

    @torch.inference_mode()
    def read(self, words: tuple[int, int], advance: Callable[[int], None]) -> Block:
        """Return the activations of the words ``start:stop``.

        The model runs on every sentence that holds one of the words, longest first, and on no other sentence,
        so the result does not depend on earlier reads. Pass every block to :meth:`release` when it is no longer
        needed: while two blocks are in use, the next read waits.

        Args:
            words: ``(start, stop)``.
            advance: called with the number of words that each batch adds.

        Raises:
            ModelError: a site does not give one vector per subword, or a value is not finite.
            CorpusError: a sentence is longer than the model reads.
        """
        start, stop = words
        corpus = self.encoded.words
        first, last = (int(corpus.sentence_of_word[word]) for word in (start, stop - 1))
        rows = [row for number in range(first, last + 1) for row in self.encoded.sentence(number)]
        base = int(corpus.offsets[first])
        n_words = int(corpus.offsets[last + 1]) - base
        buffer = self._buffers.take(n_words)
        read = np.zeros(n_words, dtype=bool)
        reported = 0
        trimmed = _without_logits(self.loaded) if self._named_only else nullcontext()
        try:
            with trimmed:
                lengths = [len(row.ids) for row in rows]
                alike = [row.size for row in rows] if self.equal_rows else None
                for batch in by_length(lengths, self.batch_size, alike=alike):
                    self.encoded.check()
                    chosen = [rows[index] for index in batch]
                    capture = Capture(
                        self.points, self.space, chosen, buffer, base, self._not_finite, stop=self._stops
                    )
                    with suppress(EveryValueRead), self.loaded.editing(capture.edits()):
                        self._run(chosen)
                    capture.finish()
                    read[np.concatenate([row.words for row in chosen]) - base] = True
                    n_read = int(read[start - base : stop - base].sum())
                    advance(n_read - reported)
                    reported = n_read
        except BaseException:
            self._buffers.give(buffer)
            raise
        advance(stop - start - reported)
        self.encoded.forget(last)
        values = buffer[:n_words]
        values[~read] = np.nan
        inside = slice(start - base, stop - base)
        block = Block(values[inside], ~read[inside])
        self._lent[id(block)] = buffer
        return block

    def release(self, block: Block) -> None:
        """Reuse the memory of a block; safe to call from any thread. Blocks of other readers are ignored."""
        if (buffer := self._lent.pop(id(block), None)) is not None:
            self._buffers.give(buffer)

    def _run(self, rows: Sequence[EncodedRow]) -> None:
        """Run the model over rows, without the blocks above the highest site if :attr:`_stops`."""
        ids = [row.ids.tolist() for row in rows]
        sources = [row.source.tolist() for row in rows if row.source is not None]
        # a cache of keys and values would only be of use to a second pass
        options: dict[str, Any] = {"use_cache": False} if self._stops and self.loaded.task != "encoder" else {}
        if sources:
            self.loaded.forward(sources, ids, **options)
        elif self.loaded.task == "translation":
            self.loaded.model.get_encoder()(**self.loaded.batch(ids))
        else:
            self.loaded.forward(ids, **options)

    def _not_finite(self, taken: Tensor, point: SitePoint, words: np.ndarray) -> ModelError:
        row, column = torch.nonzero(~torch.isfinite(taken))[0].tolist()
        word, corpus = int(words[row]), self.encoded.words
        return ModelError(
            f"{self.loaded.identity.id} gives {float(taken[row, column])} at {point.name}:{column} for word "
            f"{word} ({corpus.words[word]!r}, sentence {corpus.sentence_of_word[word]}); load the model in "
            "float32, or leave that site out"
        )

    @cached_property
    def _named_only(self) -> bool:
        return all(self.loaded.points.get(point.name) == point for point in self.points)

    @cached_property
    def _stops(self) -> bool:
        """True if a forward pass may end at the highest site.

        In a transformer with named sites each of them runs once in a pass, so nothing is lost by ending the
        pass as soon as all have run. A model that accelerate spreads over devices needs the complete pass, in
        which its weights are put back in their place.
        """
        model = self.loaded.model
        return (
            self._named_only
            and model.config.model_type in ARCHITECTURES
            and not hasattr(model, "hf_device_map")
        )


@contextmanager
def _without_logits(loaded: LoadedModel) -> Iterator[None]:
    """Apply the output projection to the last subword only, to save time.

    It is the most expensive part of the model, and no named site lies above it.
    """
    head = loaded.model.get_output_embeddings()
    if head is None:
        yield
        return
    handle = head.register_forward_pre_hook(lambda module, inputs: (inputs[0][:, -1:], *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()
