"""Passes over the words that models were read on, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from onegrain.core.activations import Activations

__all__ = ["BLOCK_ROWS", "Blocks", "read_blocks"]

BLOCK_ROWS = 2048
"""Words that are read and computed with together: a chunk of a store."""


class Blocks:
    """Reads blocks of words ahead of whoever computes with them, always into the same memory.

    New memory for every block would cost time, and what the C library keeps of it grows with the words. It is a
    context manager, which ends its thread; the thread also ends when nobody holds this any more.

    Args:
        models: the activations, all on the same words.
        spans: of each the neurons that are read; a model without any is not read.

    Attributes:
        rows: words of a block, at most.
    """

    def __init__(self, models: Sequence[Activations], spans: Sequence[slice]) -> None:
        self.rows = BLOCK_ROWS
        self._models = tuple(models)
        self._spans = tuple(spans)
        widths = [max(0, span.stop - span.start) for span in spans]
        # for what is computed with and what is read meanwhile; no page is used before something is read into it
        self._buffers = [[self._room(width) for width in widths] for _ in range(2)]
        self._whole = self._room(max(widths))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="onegrain-blocks")

    def __enter__(self) -> Blocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def over(
        self, words: tuple[int, int], among: Bool[np.ndarray, " words"]
    ) -> Iterator[tuple[Int64[np.ndarray, " rows"], list[Tensor | None]]]:
        """Of each block of ``start:stop`` the words that count, and what every model did at them.

        Values are (words, neurons), float32, or None for a model that is not read.

        One pass at a time; a block is good until the next is asked for.
        """
        start, stop = words
        starts = [at for at in range(start, stop, self.rows) if among[at : min(at + self.rows, stop)].any()]

        def read(number: int) -> tuple[np.ndarray, list[Tensor | None]]:
            first = starts[number]
            last = min(first + self.rows, stop)
            rows, buffers = np.flatnonzero(among[first:last]), self._buffers[number % 2]
            blocks = [
                self._block(one, span, (first, last), rows, buffer) if span.stop > span.start else None
                for one, span, buffer in zip(self._models, self._spans, buffers, strict=True)
            ]
            return first + rows, blocks

        ahead = self._thread.submit(read, 0) if starts else None
        for number in range(1, len(starts) + 1):
            assert ahead is not None
            found = ahead.result()
            ahead = self._thread.submit(read, number) if number < len(starts) else None
            yield found

    def _room(self, width: int) -> np.ndarray:
        return np.empty(self.rows * width, dtype=np.float32)

    def _block(
        self, one: Activations, span: slice, words: tuple[int, int], rows: np.ndarray, buffer: np.ndarray
    ) -> Tensor:
        if len(rows) == words[1] - words[0]:
            return torch.from_numpy(one.values(*words, neurons=span, buffer=buffer))
        whole = one.values(*words, neurons=span, buffer=self._whole)
        kept = buffer[: len(rows) * whole.shape[1]].reshape(len(rows), whole.shape[1])
        return torch.from_numpy(np.take(whole, rows, axis=0, out=kept, mode="clip"))


def read_blocks(
    models: Sequence[Activations], spans: Sequence[slice], words: tuple[int, int], among: np.ndarray
) -> Iterator[tuple[np.ndarray, list[Tensor | None]]]:
    """One pass of :class:`Blocks`: the words that count of each block, and what every model did at them.

    A block is good until the next is asked for, which is read while the one before is computed with.
    """
    with Blocks(models, spans) as blocks:
        yield from blocks.over(words, among)
