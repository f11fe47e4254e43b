"""Passes over the words that several models were read on: shard by shard, on whichever engine."""

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
from onegrain.rankings.crossmodel.sums.moments import Moments, Product
from onegrain.rankings.crossmodel.sums.summing import Summing
from onegrain.rankings.data.blocks import BLOCK_ROWS
from onegrain.rankings.data.memory import open_device, say_size
from onegrain.rankings.request import Request
from onegrain.records.activations import Activations

__all__ = ["SHARD_ROWS", "Passes", "require_words"]

SHARD_ROWS = 16 * BLOCK_ROWS
"""Words of a shard. The shards, and so the sums to the bit, are the same on every engine."""

ROOM = 2**30
"""Bytes for the matrices of one pass where no budget is given."""
LEAST_ROOM = 2**20
READ_BYTES = 4
"""Of one value of a block, as it is read."""
TOTAL_BYTES = 8
"""Of one element of a matrix: the sum of the shards before, beside that of a shard."""


def require_words(models: Sequence[Activations], least: int, why: str) -> np.ndarray:
    """bool (words,): the words that have an activation in all models.

    Raises:
        MismatchError: the models were read on different words.
        ParameterError: there are fewer than ``least``, which ``why`` asks for.
    """
    for other in models[1:]:
        models[0].require_same_words(other)
    among = np.logical_and.reduce([one.present for one in models])
    if among.sum() < least:
        raise ParameterError(
            f"{why} needs at least {least} words, and {int(among.sum())} are there; read more text, "
            "or restrict the sites"
        )
    return among


@dataclass(frozen=True, eq=False)
class _Start:
    """What a process needs to sum shards ``start:stop``; called there, it gives the work.

    It pickles as far as the models do.
    """

    models: tuple[Activations, ...]
    products: tuple[Product, ...]
    among: np.ndarray
    dtype: torch.dtype
    device: torch.device
    threads: int

    def __call__(self) -> Work:
        """Sum with as many threads as here, by which sums round."""
        torch.set_num_threads(self.threads)
        summing = Summing(self.models, self.products, self.among, dtype=self.dtype, device=self.device)

        def work(words: tuple[int, int], advance: Callable[[int], None]) -> Moments:
            made = summing.over(words)
            advance(words[1] - words[0])
            return made

        return work


class Passes:
    """Sums over all words that count, as often as they are asked for.

    Args:
        models: the activations, all on the same words.
        among: bool (words,), the words that count.
        engine: where shards are summed.
        device: what multiplies, by default the CPU; with a remote engine, a device that each worker has.
        memory: bytes that this process may hold in all, or None.
        progress: told of words, once for each pass.
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
        """Over the words that have an activation in all models of a request, in the way that it asks for.

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
        """How many words count."""
        return int(self.among.sum())

    def on(self, models: Sequence[Activations]) -> Passes:
        """The same over other models on the same words, in this process."""
        return Passes(models, self.among, device=str(self.device), memory=self.memory, progress=self._progress)

    def told(self, what: str) -> AbstractContextManager[Callable[[int], None]]:
        """Gives a function that is told of the words of a pass as they are done."""
        return self._progress(what, self.n_words, "words")

    def sums(
        self, products: Sequence[Product], *, dtype: torch.dtype = torch.float32, what: str = "correlations"
    ) -> Moments:
        """The sums over all words: shards merged in their order.

        Raises:
            ParameterError: an activation is not finite.
        """
        n_words = self.models[0].n_words
        shards = [(at, min(at + SHARD_ROWS, n_words)) for at in range(0, n_words, SHARD_ROWS)]
        threads = torch.get_num_threads()
        start = _Start(self.models, tuple(products), self.among, dtype, self.device, threads)
        found: Moments | None = None
        with self._progress(what, n_words, "words") as advance:
            for shard in self._engine.stream(start, shards, advance):
                if found is None:
                    found = shard
                    found.widen()  # before there is a second beside it
                else:
                    found.merge(shard)
                del shard  # before the next is made
        assert found is not None, "there are no words"
        return found

    def has_room(self, size: int) -> bool:
        """Whether the budget leaves so many bytes beside what is held."""
        return self.memory is None or psutil.Process().memory_info().rss + size <= self.memory

    def require_room(self, what: str, size: int) -> None:
        """Raise ParameterError where the budget does not leave room for matrices that cannot be cut.

        Args:
            what: needs them.
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
        """Ranges of neurons whose matrices with so many others each fit beside one another.

        Args:
            neurons: of the model that is cut.
            widths: neurons of each other model.
            dtype: of the products inside a shard.
            spare: bytes to leave for something else.

        Raises:
            ParameterError: the budget does not leave room for the matrices of one neuron.
        """
        across, widest = max(1, sum(widths)), max(widths)
        # of blocks: two that are read into and one that is centred in, and once more the widest of each kind
        held_twice, once = 2 * READ_BYTES + dtype.itemsize, READ_BYTES + dtype.itemsize
        blocks = BLOCK_ROWS * (held_twice * across + once * widest)
        each = (dtype.itemsize + TOTAL_BYTES) * across
        each += BLOCK_ROWS * (held_twice + (once if neurons > widest else 0))
        room = ROOM
        if self.memory is not None:
            held = psutil.Process().memory_info().rss
            room = self.memory - held - blocks - spare
            if room < max(LEAST_ROOM, each):
                least = held + blocks + spare + max(LEAST_ROOM, each)
                raise ParameterError(
                    f"a memory budget of {say_size(self.memory)} is too small: {say_size(held)} are held "
                    f"already, and blocks of words need {say_size(blocks + spare)}; restrict the sites, "
                    f"or give at least {say_size(least)}"
                )
        step = max(1, min(neurons, room // each))
        step = -(-neurons // -(-neurons // step))  # tiles of one size
        return [slice(at, min(at + step, neurons)) for at in range(0, neurons, step)]
