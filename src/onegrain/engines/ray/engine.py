"""Work in the actors of a Ray cluster, one per device, using Ray Data."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from onegrain.engines.engine import Work
from onegrain.errors import EngineError, MissingExtraError, ParameterError

__all__ = ["RayEngine"]

AHEAD_BYTES = 2**30
"""Bytes of one worker's results that may wait in the cluster's memory before the worker pauses."""


class RayEngine:
    """An engine that sends items to Ray actors, each of which starts the work once.

    Ray Data distributes the items, keeps their order, restarts actors that die and repeats their items. It
    pauses the actors while results wait to be taken.

    Args:
        address: address of a running cluster to which this machine belongs, as ``HOST:PORT`` or ``auto``; or
            ``local`` for a cluster on this machine that ends with the work. By default, as Ray chooses: the
            cluster that ``RAY_ADDRESS`` names, else one that runs on this machine, else ``local``. A process
            that is already connected to Ray keeps its connection.
        workers: largest number of actors, limited by the number of GPUs or, without GPUs, of CPUs. By default
            one per GPU or, without GPUs, one per node.

    Raises:
        MissingExtraError: Ray is not installed.
        ParameterError: fewer than one worker.
    """

    def __init__(self, *, address: str | None = None, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ParameterError(f"workers must be 1 or more, got {workers}")
        try:
            import ray.data  # noqa: F401
        except ImportError as error:
            raise MissingExtraError(
                "the ray engine needs Ray: pip install 'onegrain[ray]'; or use the local engine"
            ) from error
        self._address = address
        self._workers = workers

    def stream(
        self, start: Callable[[], Work], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        """Yield the results in the order of the items; see :class:`~onegrain.engines.engine.Engine`.

        An error that the work raises for an item is raised here in place of the item's result.

        Raises:
            EngineError: the cluster does not exist, or a worker died repeatedly.
            ParameterError: the address is one of Ray Client, or the process is connected to another cluster.
        """
        from onegrain.engines.ray.cluster import connected
        from onegrain.engines.ray.results import unpacked

        if not items:
            return
        with connected(self._address), closing(_tables(self._dataset(start, items))) as tables:
            for table in tables:
                done, result, error = unpacked(table)
                if error is not None:
                    raise error
                advance(done)
                yield result

    def _dataset(self, start: Callable[[], Work], items: Sequence[Any]) -> Any:
        import ray
        from ray.data import ActorPoolStrategy, ExecutionResources

        from onegrain.engines.ray.cluster import devices
        from onegrain.engines.ray.worker import Tally, Worker

        available = devices()
        workers = min(self._workers or available.usual, available.most, len(items))
        rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        # this context belongs to the dataset only; one block must hold one result of any size
        context = dataset.context
        context.target_max_block_size = None
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        context.execution_options.resource_limits = ExecutionResources.for_limits(
            object_store_memory=workers * AHEAD_BYTES
        )
        return dataset.map_batches(
            Worker,
            fn_constructor_args=(ray.put(start), Tally.of(workers)),
            batch_size=1,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(size=workers),
            **available.needs,
        )


def _tables(dataset: Any) -> Generator[Any, None, None]:
    """Yield the packed results; turn any error of Ray into an EngineError."""
    batches = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow"))
    try:
        while True:
            try:
                table = next(batches)
            except StopIteration:
                return
            except Exception as error:
                raise EngineError(
                    f"Ray failed: {type(error).__name__}: {_brief(error)}; run the same command again to "
                    "resume, or use the local engine"
                ) from error
            yield table
    finally:
        batches.close()


def _brief(error: Exception) -> str:
    """Return the first line of an error's message, without the traceback and advice that may follow."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "without a message"
