"""Passes over the words that models were read on, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from onegrain.records.activations import Activations

__all__ = ["BLOCK_ROWS", "Blocks", "read_blocks"]

BLOCK_ROWS = 2048
"""Words that are read and computed with together: a chunk of a store."""

Found = TypeVar("Found")


class Blocks:
    """Reads blocks of words, by default ahead of whoever computes with them, always into the same memory.

    New memory for every block would cost time, and what the C library keeps of it grows with the words. It is a
    context manager, which ends its thread; the thread also ends when nobody holds this any more.

    Args:
        models: the activations, all on the same words.
        spans: of each the neurons that are read; a model without any is not read.
        ahead: read a block in a thread of its own, while the one before is computed with.

    Attributes:
        rows: words of a block, at most.
    """

    def __init__(self, models: Sequence[Activations], spans: Sequence[slice], *, ahead: bool = True) -> None:
        self.rows = BLOCK_ROWS
        self._models = tuple(models)
        self._spans = tuple(spans)
        widths = [max(0, span.stop - span.start) for span in spans]
        # for what is computed with and what is read meanwhile; no page is used before something is read into it
        self._buffers = [[self._room(width) for width in widths] for _ in range(1 + ahead)]
        self._whole = self._room(max(widths))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="onegrain-blocks") if ahead else None

    def __enter__(self) -> Blocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
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
            rows, buffers = np.flatnonzero(among[first:last]), self._buffers[number % len(self._buffers)]
            blocks = [
                self._block(one, span, (first, last), rows, buffer) if span.stop > span.start else None
                for one, span, buffer in zip(self._models, self._spans, buffers, strict=True)
            ]
            return first + rows, blocks

        yield from (
            map(read, range(len(starts))) if self._thread is None else _ahead(self._thread, read, len(starts))
        )

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
    models: Sequence[Activations],
    spans: Sequence[slice],
    words: tuple[int, int],
    among: np.ndarray,
    *,
    ahead: bool = True,
) -> Iterator[tuple[np.ndarray, list[Tensor | None]]]:
    """One pass of :class:`Blocks`: the words that count of each block, and what every model did at them.

    A block is good until the next is asked for.
    """
    with Blocks(models, spans, ahead=ahead) as blocks:
        yield from blocks.over(words, among)


def _ahead(thread: ThreadPoolExecutor, make: Callable[[int], Found], count: int) -> Iterator[Found]:
    """``make(0)`` and so on; each is made while whoever asked works with the one before."""
    coming = thread.submit(make, 0) if count else None
    for number in range(1, count + 1):
        assert coming is not None
        found = coming.result()
        coming = thread.submit(make, number) if number < count else None
        yield found
