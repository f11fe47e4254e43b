"""The number of threads in which compiled loops run."""

from __future__ import annotations

import os

__all__ = ["thread_count"]


def thread_count() -> int:
    """Return the number of processors that this process may use, or ``OMP_NUM_THREADS`` if that is smaller.

    Unlike torch's number of threads, it is known without loading torch.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(wanted)) if wanted.isdecimal() and int(wanted) else available
