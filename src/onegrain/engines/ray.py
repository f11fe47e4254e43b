"""Work in the actors of a Ray cluster, one for each device, through Ray Data."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from onegrain.engines.engine import Work
from onegrain.errors import MissingExtraError, OnegrainError, ParameterError

__all__ = ["RayEngine"]


class RayEngine:
    """Streams items through actors that each start the work once; an actor that dies is started again.

    Ray Data hands out the items, keeps their order, and gives those of a dead actor to another.

    Args:
        address: of a running cluster, such as ``ray://head:10001`` or ``auto``; by default the one that
            ``RAY_ADDRESS`` names, else a cluster of this machine that ends with the work.
        workers: actors; by default one for each GPU of the cluster, or where it has none one for each node.

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
    ) -> Iterator[Any]:
        """The results in the order of the items; see :class:`~onegrain.engines.engine.Engine`.

        Raises:
            OnegrainError: what the work raised, as it raised it.
        """
        import ray
        from ray.exceptions import RayError

        if not items:
            return
        ours = not ray.is_initialized()
        if ours:
            ray.init(address=self._address, log_to_driver=False, configure_logging=False)
        try:
            for row in self._dataset(start, items).iter_rows():
                done, result = pickle.loads(row["result"])
                advance(done)
                yield result
        except RayError as error:
            raise _own(error) from None
        finally:
            if ours:
                ray.shutdown()

    def _dataset(self, start: Callable[[], Work], items: Sequence[Any]) -> Any:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        context = DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        context.max_errored_blocks = 0
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        workers = min(self._workers or gpus or len(ray.nodes()), len(items))
        pickled = [{"item": pickle.dumps(item)} for item in items]
        return ray.data.from_items(pickled, override_num_blocks=len(items)).map_batches(
            _Actor,
            fn_constructor_args=(ray.put(start),),
            batch_size=1,
            batch_format="numpy",
            compute=ActorPoolStrategy(size=workers),
            num_gpus=1 if gpus else 0,
            max_restarts=-1,
            max_task_retries=-1,
        )


class _Actor:
    """Starts the work once, and does it for one item after another."""

    def __init__(self, start: Any) -> None:
        import ray

        self._work: Work = ray.get(start)()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        results = []
        for item in batch["item"]:
            told: list[int] = []
            result = self._work(pickle.loads(item), told.append)
            results.append(pickle.dumps((sum(told), result), protocol=5))
        return {"result": results}


def _own(error: Any) -> BaseException:
    """The error of ours behind one of Ray's, or Ray's."""
    cause = error
    while cause is not None:
        if isinstance(cause, OnegrainError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return error
