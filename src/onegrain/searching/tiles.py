"""Read a store tile by tile: the values of some neurons at all words, each neuron's values in one piece."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from jaxtyping import Float32

from onegrain.analyses.neurons.columns import require_finite_columns
from onegrain.core.threads import thread_count
from onegrain.records.activations import Activations
from onegrain.searching.kernels import transpose_rows

__all__ = ["Pool", "TileReader", "pool_of_threads", "tile_width"]

WIDEST = 512
"""Most neurons in a tile."""
STEP = 64
"""Neurons by which tiles are widened if the store does not say how many can be read quickly."""
PARTS = 4
"""Pieces of work per thread, so that no thread waits long for the last."""

Pool = Callable[[Callable[[int], None], Iterable[int]], None]
"""A function that calls another with every number, in several threads, and returns when all have returned."""


def tile_width(activations: Activations, bytes_per_neuron: int, memory: int) -> int:
    """Return the number of neurons in a tile: as many as fit the memory, at least those read together."""
    step = _step(activations)
    fitting = memory // max(1, bytes_per_neuron)
    return min(max(step, min(fitting, WIDEST) // step * step), activations.n_neurons)


@contextmanager
def pool_of_threads() -> Iterator[Pool]:
    """Yield a function that calls another with every number, in as many threads as may be used."""
    with ThreadPoolExecutor(thread_count(), thread_name_prefix="onegrain-search") as pool:

        def run(work: Callable[[int], None], numbers: Iterable[int]) -> None:
            for _ in pool.map(work, numbers):
                pass

        yield run


class TileReader:
    """A reader of the values of neighbouring neurons at all words that have an activation.

    Args:
        activations: the store.
        width: most neurons in a tile.
    """

    def __init__(self, activations: Activations, width: int) -> None:
        self.activations = activations
        self.rows = np.flatnonzero(activations.present)
        self._step = min(_step(activations), width)
        self._buffer = np.empty(activations.n_words * self._step, dtype=np.float32)
        self._values = np.empty(width * len(self.rows), dtype=np.float32)

    def read(self, neurons: slice, pool: Pool) -> Float32[np.ndarray, "neurons words"]:
        """Return the values of some neurons; they are valid until the next tile is read.

        Raises:
            ParameterError: a value is not finite.
        """
        width, words = neurons.stop - neurons.start, len(self.rows)
        values = self._values[: width * words].reshape(width, words)
        part_size = -(-words // (PARTS * thread_count()))
        for left in range(0, width, self._step):
            right = min(left + self._step, width)
            span = slice(neurons.start + left, neurons.start + right)
            block, target = self.activations.values(0, None, span, buffer=self._buffer), values[left:right]

            def transpose(part: int, block: np.ndarray = block, target: np.ndarray = target) -> None:
                first = part * part_size
                transpose_rows(block, self.rows, first, min(first + part_size, words), target)

            pool(transpose, range(-(-words // part_size)))
            if not np.isfinite(target.sum(dtype=np.float64)):
                require_finite_columns(self.activations, block[self.rows])
        return values


def _step(activations: Activations) -> int:
    """Return the number of neighbouring neurons that are read together."""
    step = activations.column_step
    return step if step is not None and step >= 16 else STEP
