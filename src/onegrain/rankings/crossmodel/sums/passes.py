"""Passes over the words that several models were read on, shard by shard, on any engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from onegrain.core.progress import Progress, automatic
from onegrain.engines import Engine, LocalEngine, Work
from onegrain.errors import ParameterError
from onegrain.rankings.crossmodel.sums.moments import CrossMoments, Product
from onegrain.rankings.crossmodel.sums.summing import Summing
from onegrain.rankings.data.blocks import BLOCK_ROWS
from onegrain.rankings.data.memory import open_device, say_size
from onegrain.rankings.request import Request
from onegrain.records.activations import Activations

__all__ = ["SHARD_ROWS", "Passes", "require_words"]

SHARD_ROWS = 16 * BLOCK_ROWS
"""Words per shard. The shards, and so every bit of the sums, are the same on every engine."""

ROOM = 2**30
"""Bytes for the matrices of one pass if no memory budget is set."""
LEAST_ROOM = 2**20
"""Least bytes for the matrices of one pass under a memory budget."""
READ_BYTES = 4
"""Bytes of one value of a block as it is read."""
TOTAL_BYTES = 8
"""Bytes of one element of a matrix summed over shards, besides the same element of the current shard."""


def require_words(models: Sequence[Activations], least: int, why: str) -> np.ndarray:
    """Return a mask, bool (words,), of the words that have an activation in all models.

    Raises:
        MismatchError: the models were read on different words.
        ParameterError: fewer than ``least`` words have one; ``why`` names what needs them.
    """
    for other in models[1:]:
        models[0].require_same_words(other)
    among = np.logical_and.reduce([model.present for model in models])
    if among.sum() < least:
        raise ParameterError(
            f"{why} needs at least {least} words, and the models have {int(among.sum())}; read more text, "
            "or restrict the sites"
        )
    return among


@dataclass(frozen=True, eq=False)
class _Start:
    """The models and products that a process needs to sum shards.

    Called in that process, it returns the function that sums one shard. It can be pickled if the models can.
    """

    models: tuple[Activations, ...]
    products: tuple[Product, ...]
    among: np.ndarray
    dtype: torch.dtype
    device: torch.device
    threads: int

    def __call__(self) -> Work:
        """Set the number of threads, on which the rounding of sums depends, and return the function."""
        torch.set_num_threads(self.threads)
        summing = Summing(self.models, self.products, self.among, dtype=self.dtype, device=self.device)

        def work(words: tuple[int, int], advance: Callable[[int], None]) -> CrossMoments:
            moments = summing.over(words)
            advance(words[1] - words[0])
            return moments

        return work


class Passes:
    """Passes over all words that count; each pass sums a list of products.

    Args:
        models: the activations, all on the same words.
        among: bool (words,), the words that count.
        engine: where shards are summed; this process by default.
        device: the device that multiplies, by default the CPU; with a remote engine, a device of each worker.
        memory: bytes that this process may hold in total, or None.
        progress: receives the number of words done, once for each pass.
    """

    def __init__(
        self,
        models: Sequence[Activations],
        among: np.ndarray,
        *,
        engine: Engine | None = None,
        device: str | None = None,
        memory: int | None = None,
        progress: Progress = automatic,
    ) -> None:
        self.models = tuple(models)
        self.among = among
        self.device = open_device(device or "cpu")
        self.memory = memory
        self._engine = engine or LocalEngine()
        self._progress = progress

    @classmethod
    def of(cls, request: Request, least: int, why: str) -> Passes:
        """Return passes over the words that have an activation in all models of a request, with its settings.

        Raises:
            MismatchError, ParameterError: see :func:`require_words`.
        """
        models = (request.activations, *request.others)
        return cls(
            models,
            require_words(models, least, why),
            engine=request.engine,
            device=request.device,
            memory=request.memory,
            progress=request.progress,
        )

    @property
    def n_words(self) -> int:
        """Number of words that count."""
        return int(self.among.sum())

    def over_models(self, models: Sequence[Activations]) -> Passes:
        """Return passes over the same words of other models, in this process."""
        return Passes(models, self.among, device=str(self.device), memory=self.memory, progress=self._progress)

    def report(self, what: str) -> AbstractContextManager[Callable[[int], None]]:
        """Return a context that yields a function, to be called with the number of words just done."""
        return self._progress(what, self.n_words, "words")

    def sums(
        self, products: Sequence[Product], *, dtype: torch.dtype = torch.float32, what: str = "correlations"
    ) -> CrossMoments:
        """Return the sums over all words, with the shards merged in order.

        Raises:
            ParameterError: an activation is not finite.
        """
        n_words = self.models[0].n_words
        shards = [(start, min(start + SHARD_ROWS, n_words)) for start in range(0, n_words, SHARD_ROWS)]
        threads = torch.get_num_threads()
        task = _Start(self.models, tuple(products), self.among, dtype, self.device, threads)
        total: CrossMoments | None = None
        with self._progress(what, n_words, "words") as advance:
            for shard in self._engine.stream(task, shards, advance):
                if total is None:
                    total = shard
                    total.widen()  # before a second shard is held too
                else:
                    total.merge(shard)
                del shard  # before the next shard is summed
        assert total is not None, "a pass over no words"
        return total

    def has_room(self, size: int) -> bool:
        """Return whether the memory budget leaves ``size`` bytes besides what is already held."""
        return self.memory is None or psutil.Process().memory_info().rss + size <= self.memory

    def require_room(self, what: str, size: int) -> None:
        """Raise ParameterError if the memory budget is too small for matrices that cannot be divided.

        Args:
            what: name of the task that needs the matrices, for the message.
            size: their bytes.
        """
        if self.memory is not None and not self.has_room(size):
            held = psutil.Process().memory_info().rss
            raise ParameterError(
                f"a memory budget of {say_size(self.memory)} is too small: {say_size(held)} are held already, "
                f"and {what} needs {say_size(size)}; restrict the sites, or give at least "
                f"{say_size(held + size)}"
            )

    def tiles(
        self, neurons: int, widths: Sequence[int], *, dtype: torch.dtype = torch.float32, spare: int = 0
    ) -> list[slice]:
        """Return ranges of the first model's neurons whose matrices with all other models fit in memory.

        Args:
            neurons: number of neurons of the model that is divided.
            widths: number of neurons of each other model.
            dtype: type of the products inside a shard.
            spare: bytes to leave free.

        Raises:
            ParameterError: the memory budget is too small for the matrices of one neuron.
        """
        across, widest = max(1, sum(widths)), max(widths)
        # per model, two blocks are read and one is centred; scratch memory holds one more of the widest model
        per_model, per_widest = 2 * READ_BYTES + dtype.itemsize, READ_BYTES + dtype.itemsize
        blocks = BLOCK_ROWS * (per_model * across + per_widest * widest)
        per_neuron = (dtype.itemsize + TOTAL_BYTES) * across
        per_neuron += BLOCK_ROWS * (per_model + (per_widest if neurons > widest else 0))
        room = ROOM
        if self.memory is not None:
            held = psutil.Process().memory_info().rss
            room = self.memory - held - blocks - spare
            if room < max(LEAST_ROOM, per_neuron):
                least = held + blocks + spare + max(LEAST_ROOM, per_neuron)
                raise ParameterError(
                    f"a memory budget of {say_size(self.memory)} is too small: {say_size(held)} are held "
                    f"already, and blocks of words need {say_size(blocks + spare)}; restrict the sites, "
                    f"or give at least {say_size(least)}"
                )
        step = max(1, min(neurons, room // per_neuron))
        step = -(-neurons // -(-neurons // step))  # tiles of equal size
        return [slice(start, min(start + step, neurons)) for start in range(0, neurons, step)]
