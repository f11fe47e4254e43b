"""The actors that run in the processes of a Ray cluster."""

from __future__ import annotations

import pickle
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

from onegrain.engines.engine import Work
from onegrain.engines.ray.results import packed
from onegrain.errors import EngineError

__all__ = ["MOST_DEATHS", "Tally", "Worker"]

MOST_DEATHS = 4
"""Number of deaths that are tolerated: of workers on one item, and of all workers while they start."""


class Tally:
    """A counter of how often each item was begun, so that an item that kills its workers is given up."""

    def __init__(self, workers: int) -> None:
        self._begun: Counter[int] = Counter()
        self._starting = 0
        self._workers = workers

    @staticmethod
    def of(workers: int) -> Any:
        """Return a tally in a separate actor, which outlives the workers."""
        import ray

        return ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tally).remote(workers)

    def starting(self) -> bool:
        """Record that a worker starts; return True if too many have started without becoming ready."""
        self._starting += 1
        return self._starting > self._workers + MOST_DEATHS

    def ready(self) -> None:
        """Record that a worker has started."""
        self._starting = 0

    def begin(self, number: int) -> bool:
        """Record that an item is begun; return True if it was begun too often."""
        self._begun[number] += 1
        return self._begun[number] > MOST_DEATHS


class Worker:
    """An actor that starts the work once and then does it for each item.

    An error that the work raises is returned like a result, so that the order of the items is kept.

    Args:
        start: reference to the function that returns the work.
        tally: the actor that counts deaths.
    """

    def __init__(self, start: Any, tally: Any) -> None:
        import ray

        self._tally = tally
        self._work: Work | None = None
        self._failed: Exception | None = None
        try:
            if ray.get(tally.starting.remote()):
                raise EngineError(
                    f"more than {MOST_DEATHS} workers died while they started, perhaps for lack of memory; "
                    "use fewer workers or the local engine"
                )
            self._work = ray.get(start)()
            ray.get(tally.ready.remote())
        except Exception as error:
            self._failed = error

    def __call__(self, row: Any) -> Any:
        """Return the packed ``(units done, result, error)`` of a row: ``number`` and pickled ``item``."""
        number, item = row["number"][0].as_py(), row["item"][0].as_py()
        try:
            if self._work is None:
                raise self._failed or AssertionError
            return packed(self._result(self._work, number, item))
        except Exception as error:
            return packed((0, None, _portable(error)))

    def _result(self, work: Callable[..., Any], number: int, item: bytes) -> tuple[int, Any, None]:
        import ray

        if ray.get(self._tally.begin.remote(number)):
            raise EngineError(
                f"{MOST_DEATHS} workers died of the same piece of work ({pickle.loads(item)!r}), perhaps for "
                "lack of memory; use a smaller batch_size, fewer workers, or the local engine"
            )
        units: list[int] = []
        result = work(pickle.loads(item), units.append)
        return sum(units), result, None


def _portable(error: Exception) -> Exception:
    """Return the error with the worker's traceback as a note; replace it if it cannot be pickled."""
    trace = "".join(traceback.format_exception(error))
    try:
        portable = pickle.loads(pickle.dumps(error))
    except Exception:
        portable = EngineError(f"a worker failed: {type(error).__name__}: {error}")
    portable.add_note(f"In a worker of Ray:\n{trace}")
    return portable
