"""Passes over the words of one or more models, block by block."""

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
"""Number of words that are read and processed at once: a chunk of a store."""

Result = TypeVar("Result")


class Blocks:
    """A reader of blocks of words, which by default reads ahead, always into the same memory.

    New memory for every block would cost time, and the C library would keep more of it the more words are read.
    The reader is a context manager that ends its thread; the thread also ends when the reader is garbage
    collected.

    Args:
        models: the activations, all on the same words.
        spans: the range of neurons to read of each model; a model with an empty range is not read.
        ahead: read each block in another thread while the block before is processed.

    Attributes:
        rows: largest number of words of a block.
    """

    def __init__(self, models: Sequence[Activations], spans: Sequence[slice], *, ahead: bool = True) -> None:
        self.rows = BLOCK_ROWS
        self._models = tuple(models)
        self._spans = tuple(spans)
        widths = [max(0, span.stop - span.start) for span in spans]
        # one for the block being processed and one for the block being read; unused pages cost no memory
        self._buffers = [[self._room(width) for width in widths] for _ in range(1 + ahead)]
        self._unselected = self._room(max(widths))
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
        """Yield for each block of ``start:stop`` the numbers of words that count, and every model's values.

        Values are float32 (words, neurons), or None for a model that is not read. Only one pass may run at a
        time, and the next block overwrites the values.
        """
        start, stop = words
        starts = [
            first
            for first in range(start, stop, self.rows)
            if among[first : min(first + self.rows, stop)].any()
        ]

        def read(number: int) -> tuple[np.ndarray, list[Tensor | None]]:
            first = starts[number]
            last = min(first + self.rows, stop)
            rows, buffers = np.flatnonzero(among[first:last]), self._buffers[number % len(self._buffers)]
            blocks = [
                self._block(model, span, (first, last), rows, buffer) if span.stop > span.start else None
                for model, span, buffer in zip(self._models, self._spans, buffers, strict=True)
            ]
            return first + rows, blocks

        yield from (
            map(read, range(len(starts))) if self._thread is None else _ahead(self._thread, read, len(starts))
        )

    def _room(self, width: int) -> np.ndarray:
        return np.empty(self.rows * width, dtype=np.float32)

    def _block(
        self, model: Activations, span: slice, words: tuple[int, int], rows: np.ndarray, buffer: np.ndarray
    ) -> Tensor:
        if len(rows) == words[1] - words[0]:
            return torch.from_numpy(model.values(*words, neurons=span, buffer=buffer))
        all_rows = model.values(*words, neurons=span, buffer=self._unselected)
        kept = buffer[: len(rows) * all_rows.shape[1]].reshape(len(rows), all_rows.shape[1])
        return torch.from_numpy(np.take(all_rows, rows, axis=0, out=kept, mode="clip"))


def read_blocks(
    models: Sequence[Activations],
    spans: Sequence[slice],
    words: tuple[int, int],
    among: np.ndarray,
    *,
    ahead: bool = True,
) -> Iterator[tuple[np.ndarray, list[Tensor | None]]]:
    """Run one pass of :class:`Blocks`; see :meth:`Blocks.over`."""
    with Blocks(models, spans, ahead=ahead) as blocks:
        yield from blocks.over(words, among)


def _ahead(thread: ThreadPoolExecutor, make: Callable[[int], Result], count: int) -> Iterator[Result]:
    """Yield ``make(0)``, ``make(1)``, ...; each is computed in the thread while the one before is processed."""
    future = thread.submit(make, 0) if count else None
    for number in range(1, count + 1):
        assert future is not None
        result = future.result()
        future = thread.submit(make, number) if number < count else None
        yield result
