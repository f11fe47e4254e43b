"""Jobs in this process, or in worker processes of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from onegrain.core.progress import Progress, silent
from onegrain.errors import ParameterError

__all__ = ["Job", "run_local"]


@dataclass(frozen=True)
class Job:
    """Something to do that no other job of the same run waits for.

    Attributes:
        name: for messages.
        work: takes a Progress; must pickle where there are workers (a module's function, or a partial of one).
    """

    name: str
    work: Callable[[Progress], None]


def run_local(
    jobs: Sequence[Job], *, workers: int = 1, description: str = "work", progress: Progress = silent
) -> None:
    """Do every job, side by side in worker processes where there are several workers and several jobs.

    One worker does the jobs in this process, in order, and each shows its own progress. With more, the cores
    are shared out among the workers, and progress counts finished jobs. When a job fails, the jobs that have
    not begun are dropped and its error is raised; Ctrl-C ends the workers.
    """
    if workers < 1:
        raise ParameterError(f"workers must be 1 or more, got {workers}")
    if workers == 1 or len(jobs) < 2:
        for job in jobs:
            job.work(progress)
        return
    count = min(workers, len(jobs))
    threads = max(1, len(os.sched_getaffinity(0)) // count)
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_begin, initargs=(threads,))
    try:
        futures = [pool.submit(_work, job) for job in jobs]
        with progress(description, len(jobs), "jobs") as advance:
            for future in as_completed(futures):
                future.result()
                advance(1)
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(threads)


def _work(job: Job) -> None:
    job.work(silent)
