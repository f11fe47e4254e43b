"""The number of threads in which compiled loops run."""

from __future__ import annotations

import os

__all__ = ["sleep_between_products", "thread_count"]

SPINS = "5000"
"""A waiting thread checks this often whether the others are done, for some microseconds; then it sleeps."""


def thread_count() -> int:
    """Return the number of processors that this process may use, or ``OMP_NUM_THREADS`` if that is smaller.

    Unlike torch's number of threads, it is known without loading torch.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(available, int(wanted)) if wanted.isdecimal() and int(wanted) else available


def sleep_between_products() -> None:
    """Let threads of compiled loops sleep soon while they wait for others; takes effect before torch is loaded.

    GNU's OpenMP lets them look for some milliseconds by default. Where other processes need the cores, that
    takes time from the threads that are waited for (``make bench NAME=busy``).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
