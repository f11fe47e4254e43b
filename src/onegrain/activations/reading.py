"""Running a model over the rows of a corpus and taking the values of its words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from onegrain.activations.alignment import join
from onegrain.activations.rows import Row, Rows
from onegrain.core.space import NeuronSpace
from onegrain.errors import ModelError
from onegrain.models.batching import by_length
from onegrain.models.hooks import Recording
from onegrain.models.loaded import LoadedModel
from onegrain.models.sites import SitePoint

__all__ = ["Block", "Reader"]


@dataclass(frozen=True)
class Block:
    """What was read of some words in a row.

    Attributes:
        values: float32 (words, neurons); NaN where a word has no activation. A reader has two buffers for them
            in turn, so these are good until it has read twice more.
        missing: bool (words,), which those are.
    """

    values: Float32[np.ndarray, "words neurons"]
    missing: Bool[np.ndarray, " words"]


class Reader:
    """Reads the words of a corpus at some sites, a stretch of words at a time.

    Args:
        loaded: the model.
        points: its sites that are read, all of one side.
        space: the neurons of those sites, in the same order.
        rows: what the model is given.
        batch_size: rows in one forward pass, at most.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        points: Sequence[SitePoint],
        space: NeuronSpace,
        rows: Rows,
        batch_size: int,
    ) -> None:
        self.loaded = loaded
        self.points = points
        self.space = space
        self.rows = rows
        self.batch_size = batch_size
        self._buffers = [np.empty((0, space.size), dtype=np.float32)] * 2

    @torch.inference_mode()
    def read(self, words: tuple[int, int], advance: Callable[[int], None]) -> Block:
        """The values of the words ``start:stop``; ``advance`` is told how many more of them are read.

        The sentences that hold them are run whole, longest first; nothing outside them enters, so the result
        does not depend on what was read before.

        Raises:
            ModelError: a site that cannot be read word by word, or a value that is not finite.
            CorpusError: a sentence longer than the model reads.
        """
        start, stop = words
        corpus = self.rows.words
        first, last = (int(corpus.sentence_of_word[word]) for word in (start, stop - 1))
        rows = [row for number in range(first, last + 1) for row in self.rows.sentence(number)]
        base = int(corpus.offsets[first])
        values = self._buffer(int(corpus.offsets[last + 1]) - base)
        read = np.zeros(len(values), dtype=bool)
        told = 0
        trimmed = _without_logits(self.loaded) if self._named_only() else nullcontext()
        with self.loaded.recording(self.points) as record, trimmed:
            for batch in by_length([len(row.ids) for row in rows], self.batch_size):
                self.rows.check()
                chosen = [rows[at] for at in batch]
                record.clear()
                self._run(chosen)
                self._take(record, chosen, torch.from_numpy(values), base)
                read[np.concatenate([row.words for row in chosen]) - base] = True
                now = int(read[start - base : stop - base].sum())
                advance(now - told)
                told = now
        advance(stop - start - told)
        self.rows.forget(last)
        values[~read] = np.nan
        inside = slice(start - base, stop - base)
        return Block(values[inside], ~read[inside])

    def _buffer(self, words: int) -> np.ndarray:
        """Room for so many words: memory that was used before costs less than new memory."""
        self._buffers.reverse()
        if len(self._buffers[0]) < words:
            self._buffers[0] = np.empty((words, self.space.size), dtype=np.float32)
        return self._buffers[0][:words]

    def _run(self, rows: Sequence[Row]) -> None:
        ids = [row.ids.tolist() for row in rows]
        sources = [row.source.tolist() for row in rows if row.source is not None]
        if sources:
            self.loaded.forward(sources, ids)
        elif self.loaded.task == "translation":
            self.loaded.model.get_encoder()(**self.loaded.batch(ids))
        else:
            self.loaded.forward(ids)

    def _take(self, record: Recording, rows: Sequence[Row], values: Tensor, base: int) -> None:
        """Put what the sites held at the words of the rows into ``values``, whose first word is ``base``."""
        words = np.concatenate([row.words for row in rows])
        places = torch.from_numpy(words - base)
        longest = max(len(row.ids) for row in rows)
        times = torch.from_numpy(np.concatenate([at * longest + row.positions for at, row in enumerate(rows)]))
        counts = np.concatenate([row.counts for row in rows])
        for point in self.points:
            value = _value(record, point, (len(rows), longest))
            flat = value.flatten(0, 1).index_select(0, times.to(value.device)).float().cpu()
            joined = torch.from_numpy(join(flat.numpy(), counts)) if len(flat) != len(counts) else flat
            self._require_finite(joined, point, words)
            values[:, self.space.slice(point.name)].index_copy_(0, places, joined)

    def _require_finite(self, taken: Tensor, point: SitePoint, words: np.ndarray) -> None:
        if bool(torch.isfinite(taken.sum())) or bool(torch.isfinite(taken).all()):
            return
        row, column = torch.nonzero(~torch.isfinite(taken))[0].tolist()
        word, corpus = int(words[row]), self.rows.words
        raise ModelError(
            f"{self.loaded.identity.id} gives {float(taken[row, column])} at {point.name}:{column} for word "
            f"{word} ({corpus.words[word]!r}, sentence {corpus.sentence_of_word[word]}); load the model in "
            "float32, or leave out that site"
        )

    def _named_only(self) -> bool:
        return all(self.loaded.points.get(point.name) == point for point in self.points)


@contextmanager
def _without_logits(loaded: LoadedModel) -> Iterator[None]:
    """Let the output projection, the dearest part, see one subword alone: no named site lies above it."""
    head = loaded.model.get_output_embeddings()
    if head is None:
        yield
        return
    handle = head.register_forward_pre_hook(lambda module, inputs: (inputs[0][:, -1:], *inputs[1:]))
    try:
        yield
    finally:
        handle.remove()


def _value(record: Recording, point: SitePoint, shape: tuple[int, int]) -> Tensor:
    if point.name not in record:
        raise ModelError(f"nothing passed site {point.name!r} while the {point.side} words were read")
    value = record[point.name]
    if tuple(value.shape[:-1]) != shape:
        raise ModelError(
            f"site {point.name!r} holds values of shape {tuple(value.shape)}, not one vector for each of "
            f"{shape[0]} x {shape[1]} subwords; it cannot be read word by word"
        )
    return value
