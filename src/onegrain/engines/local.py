"""Jobs in this process, or in worker processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from types import TracebackType
from typing import Any

from onegrain.core.progress import Progress, automatic, silent
from onegrain.engines.engine import Work
from onegrain.errors import ParameterError

__all__ = ["Job", "LocalEngine"]


@dataclass(frozen=True)
class Job:
    """Something to do that no other job of the same run waits for.

    Attributes:
        name: for messages.
        work: takes a Progress; must pickle where there are workers (a module's function, or a partial of one).
    """

    name: str
    work: Callable[[Progress], None]


class LocalEngine:
    """Runs jobs: one worker in this process, several in processes that last until the engine is closed.

    With several workers the cores are shared out among them. Use it as a context manager: leaving it closes the
    workers, and leaving it by an error or by Ctrl-C ends them at once.

    Args:
        workers: how many jobs run side by side.
    """

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise ParameterError(f"workers must be 1 or more, got {workers}")
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if error is not None:
            for process in list((self._pool._processes or {}).values()):
                process.terminate()
        self._pool.shutdown(wait=error is None, cancel_futures=True)

    def run(self, jobs: Sequence[Job], *, description: str = "work", progress: Progress = automatic) -> None:
        """Do every job.

        One worker does them in order, and each shows its own progress; with more, progress counts finished
        jobs. When a job fails, its error is raised and the jobs that have not begun are dropped.
        """
        if self._workers == 1:
            for job in jobs:
                job.work(progress)
            return
        if not jobs:
            return
        self._pool = self._pool or self._start()
        futures = [self._pool.submit(_work, job) for job in jobs]
        with progress(description, len(jobs), "jobs") as advance:
            for future in as_completed(futures):
                try:
                    future.result()
                except BaseException:
                    for other in futures:
                        other.cancel()
                    raise
                advance(1)

    def stream(
        self, start: Callable[[], Work], items: Sequence[Any], advance: Callable[[int], None]
    ) -> Generator[Any, None, None]:
        """The results of the work on each item, in order and in this process, each as it is asked for."""
        if items:
            work = start()
            for item in items:
                yield work(item, advance)

    def _start(self) -> ProcessPoolExecutor:
        threads = max(1, len(os.sched_getaffinity(0)) // self._workers)
        return ProcessPoolExecutor(self._workers, get_context("spawn"), initializer=_begin, initargs=(threads,))


def _begin(threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)


def _end_with_parent() -> None:
    """End this worker when the process that started it is killed: nobody would wait for its results."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(job: Job) -> None:
    job.work(silent)
