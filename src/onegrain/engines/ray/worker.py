"""What runs in the processes of a Ray cluster."""

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
"""How often a worker may die of one item, and all of them together at their start, before it is an error."""


class Tally:
    """Counts how often each item was begun, so that one that ends every worker does not do so for ever."""

    def __init__(self, workers: int) -> None:
        self._begun: Counter[int] = Counter()
        self._starting = 0
        self._workers = workers

    @staticmethod
    def of(workers: int) -> Any:
        """A tally that outlives the workers, as an actor of its own."""
        import ray

        return ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tally).remote(workers)

    def starting(self) -> bool:
        """Note that a worker starts; whether too many did and were never ready."""
        self._starting += 1
        return self._starting > self._workers + MOST_DEATHS

    def ready(self) -> None:
        """Note that a worker has started."""
        self._starting = 0

    def begin(self, number: int) -> bool:
        """Note that an item is begun; whether it was too often."""
        self._begun[number] += 1
        return self._begun[number] > MOST_DEATHS


class Worker:
    """Starts the work once, and does it for one item after another.

    What the work raises is a result like another: it comes out in the order of the items, and as it is.
    """

    def __init__(self, start: Any, tally: Any) -> None:
        import ray

        self._tally = tally
        self._work: Work | None = None
        self._failed: Exception | None = None
        try:
            if ray.get(tally.starting.remote()):
                raise EngineError(
                    f"more than {MOST_DEATHS} workers died while they started, perhaps for want of memory; "
                    "give fewer workers, or use the local engine"
                )
            self._work = ray.get(start)()
            ray.get(tally.ready.remote())
        except Exception as error:
            self._failed = error

    def __call__(self, row: Any) -> Any:
        """The packed ``(units done, result, error)`` of a table with one row, ``number`` and ``item``."""
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
                "want of memory; give a smaller batch_size or fewer workers, or use the local engine"
            )
        told: list[int] = []
        result = work(pickle.loads(item), told.append)
        return sum(told), result, None


def _portable(error: Exception) -> Exception:
    """The error with the worker's traceback as a note, or where it does not pickle, one that says the same."""
    trace = "".join(traceback.format_exception(error))
    try:
        told = pickle.loads(pickle.dumps(error))
    except Exception:
        told = EngineError(f"a worker failed: {type(error).__name__}: {error}")
    told.add_note(f"In a worker of Ray:\n{trace}")
    return told
