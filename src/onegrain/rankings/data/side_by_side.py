"""Run independent parts of a computation in threads, each with its share of torch's threads.

Small products keep one core busy, and a second one waits for it. Two parts side by side keep both busy.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from onegrain.core.interruption import Interrupted, interruptible

__all__ = ["side_by_side"]

Result = TypeVar("Result")


def side_by_side(
    parts: Sequence[Callable[[], Result]], threads: int | None = None
) -> Generator[Result, None, None]:
    """Yield the results of the parts in their order, each when it and those before it are there.

    ``threads`` are by default those of torch. With one, the parts run here, one after the other, as their
    results are taken. If a part fails, or the caller stops early (at Ctrl-C, for instance), those that have
    begun end at their next call of ``check_interruption``, and the others do not begin.
    """
    threads = threads or torch.get_num_threads()
    workers = min(threads, len(parts))
    if workers <= 1:
        for part in parts:
            yield part()
        return
    stop = threading.Event()

    def check() -> None:
        if stop.is_set():
            raise Interrupted

    def run(part: Callable[[], Result]) -> Result:
        torch.set_num_threads(threads // workers)
        with interruptible(check):
            check()
            return part()

    with ThreadPoolExecutor(workers, thread_name_prefix="onegrain-parts") as pool:
        try:
            futures = [pool.submit(run, part) for part in parts]
            for future in futures:
                yield future.result()
        finally:
            stop.set()
            # threads that begin later would take the number that was set last
            torch.set_num_threads(threads)
