"""Work in the actors of a Ray cluster, one for each device, through Ray Data."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import Any

from onegrain.engines.engine import Work
from onegrain.errors import EngineError, MissingExtraError, ParameterError

__all__ = ["RayEngine"]

AHEAD_BYTES = 2**30
"""Results of one worker that wait in the cluster's memory, at most, before it pauses."""


class RayEngine:
    """Streams items through actors that each start the work once; an actor that dies is started again.

    Ray Data hands out the items, keeps their order, gives those of a dead actor out again, and lets the actors
    pause while results wait to be taken.

    Args:
        address: of a running cluster, one of whose nodes this machine is, as ``HOST:PORT`` or ``auto``;
            ``local`` for one of this machine that ends with the work. By default Ray's own way: the cluster
            that ``RAY_ADDRESS`` names, else one that runs here, else ``local``. A process that is connected
            to Ray already keeps its connection.
        workers: actors, at most: never more than the cluster has GPUs, or where it has none, CPUs. By default
            one for each GPU, or where there is none, one for each node.

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
        """The results in the order of the items; see :class:`~onegrain.engines.engine.Engine`.

        What the work raises for an item is raised here, when its turn comes.

        Raises:
            EngineError: no such cluster, or a worker died again and again.
            ParameterError: an address of Ray Client, or of another cluster than this process is connected to.
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

        places = devices()
        workers = min(self._workers or places.usual, places.most, len(items))
        rows = [{"number": number, "item": pickle.dumps(item)} for number, item in enumerate(items)]
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        # the dataset's own copy; one block holds one result, however large
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
            **places.needs,
        )


def _tables(dataset: Any) -> Generator[Any, None, None]:
    """The packed results; whatever Ray raises is one EngineError."""
    batches = iter(dataset.iter_batches(batch_size=None, batch_format="pyarrow"))
    try:
        while True:
            try:
                table = next(batches)
            except StopIteration:
                return
            except Exception as error:
                raise EngineError(
                    f"Ray could not go on: {type(error).__name__}: {_brief(error)}; run the same command again "
                    "to go on, or use the local engine"
                ) from error
            yield table
    finally:
        batches.close()


def _brief(error: Exception) -> str:
    """What an error of Ray says, without the traceback and the advice that it may carry."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else "without a message"
