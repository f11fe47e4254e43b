"""Run independent jobs in this process, or in worker processes on this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from types import TracebackType

from onegrain.core.progress import Progress, automatic, silent
from onegrain.errors import ParameterError

__all__ = ["Job", "JobPool"]


@dataclass(frozen=True)
class Job:
    """A piece of work that does not depend on any other job of the same run.

    Attributes:
        name: name for messages.
        work: called with a Progress; with several workers it must be picklable, like a function of a module or
            a partial of one.
    """

    name: str
    work: Callable[[Progress], None]


class JobPool:
    """A pool that runs jobs: with one worker in this process, with several in worker processes.

    The worker processes share the CPU cores evenly and stay until the pool is closed. Use the pool as a context
    manager: leaving it closes the workers, and leaving it by an error or Ctrl-C ends them at once.

    Args:
        workers: number of jobs that run at the same time.

    Raises:
        ParameterError: fewer than one worker.
    """

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise ParameterError(f"workers must be 1 or more, got {workers}")
        self._workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> JobPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is None:
            return
        if error is not None:
            for process in list((self._executor._processes or {}).values()):
                process.terminate()
        self._executor.shutdown(wait=error is None, cancel_futures=True)

    def run(self, jobs: Sequence[Job], *, description: str = "work", progress: Progress = automatic) -> None:
        """Run every job, and return when all are finished.

        A single worker runs them in order, and each job shows its own progress; several workers report the
        number of finished jobs instead. If a job fails, its error is raised and jobs that have not begun are
        cancelled.
        """
        if self._workers == 1:
            for job in jobs:
                job.work(progress)
            return
        if not jobs:
            return
        self._executor = self._executor or self._start()
        futures = [self._executor.submit(_run, job) for job in jobs]
        with progress(description, len(jobs), "jobs") as advance:
            for future in as_completed(futures):
                try:
                    future.result()
                except BaseException:
                    for unfinished in futures:
                        unfinished.cancel()
                    raise
                advance(1)

    def _start(self) -> ProcessPoolExecutor:
        threads = max(1, len(os.sched_getaffinity(0)) // self._workers)
        return ProcessPoolExecutor(
            self._workers, get_context("spawn"), initializer=_prepare_worker, initargs=(threads,)
        )


def _prepare_worker(threads: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)


def _end_with_parent() -> None:
    """End this worker when the process that started it ends, because nobody would take its results."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: Job) -> None:
    job.work(silent)
