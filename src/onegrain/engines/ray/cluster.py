"""Connect to a running Ray cluster or start one, without output on the terminal."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from onegrain.errors import EngineError, ParameterError

__all__ = ["Devices", "connected", "devices"]

KNOCK_SECONDS = 10.0
LOGGERS = ("ray", "ray.data")
QUIET = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0"}
"""Environment variables for a connection made here; those that the user has set are kept."""


@dataclass(frozen=True)
class Devices:
    """The devices of a cluster, one per worker.

    Attributes:
        most: largest number of workers that can run at the same time.
        usual: default number of workers.
        needs: the resources of one worker, as arguments of ``map_batches``.
    """

    most: int
    usual: int
    needs: dict[str, float]


def devices() -> Devices:
    """Return the GPUs of the connected cluster; without GPUs, its CPUs, of which one per node is usual."""
    import ray

    resources = ray.cluster_resources()
    if gpus := int(resources.get("GPU", 0)):
        return Devices(gpus, gpus, {"num_gpus": 1})
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    return Devices(max(1, int(resources.get("CPU", 0))), max(1, len(nodes)), {"num_cpus": 1})


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to a cluster without output, and disconnect afterwards unless the process was connected before.

    Raises:
        EngineError: the cluster does not exist or cannot be used from this machine.
        ParameterError: the address is one of Ray Client, or the process is connected to another cluster.
    """
    import ray

    with _quiet():
        if ray.is_initialized():
            _require_same(address)
            yield
            return
        _connect(address)
        with _without_messages():
            try:
                yield
            finally:
                ray.shutdown()


def _require_same(address: str | None) -> None:
    import ray

    current = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", current):
        raise ParameterError(
            f"the address is {address!r}, but this process is connected to Ray at {current}; leave out the "
            "address, or call ray.shutdown() first"
        )


def _connect(address: str | None) -> None:
    import ray

    wanted = address or os.environ.get("RAY_ADDRESS", "")
    if "://" in wanted:
        raise ParameterError(
            f"{wanted} is an address of Ray Client, which Ray Data does not support; run onegrain on a node of "
            "the cluster, with the address auto"
        )
    try:
        _knock(wanted)
        with _environment(QUIET), _keeping_signals(), _without_stderr():
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:
        ray.shutdown()
        place = f"the Ray cluster {wanted}" if wanted else "Ray on this machine"
        raise EngineError(f"cannot use {place}: {error}; {_remedy(error)}") from error


def _remedy(error: BaseException | None) -> str:
    """Return the advice for an error of connecting, which depends on its causes."""
    while error is not None:
        if "AuthToken" in str(error):
            return "it requires a token: set RAY_AUTH_MODE=token and the token as in the Ray documentation"
        error = error.__cause__
    return "start one with `ray start --head`, or use this machine with the address local"


def _knock(address: str) -> None:
    """Raise OSError if no server listens at ``HOST:PORT``, because Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Stop Ray from logging to the terminal; its log files are still written."""
    terminals = [
        handler
        for name in LOGGERS
        for handler in logging.getLogger(name).handlers
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
    ]
    levels = [handler.level for handler in terminals]
    for handler in terminals:
        handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in zip(terminals, levels, strict=True):
            handler.setLevel(level)


@contextmanager
def _without_messages() -> Iterator[None]:
    """Stop Ray from printing messages about dying workers on stdout, for which it has no option."""
    from ray._private import worker

    before = getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Silence stderr below Python: Ray prints a notice there whenever its log level is set."""
    if sys.stderr is not None:
        sys.stderr.flush()
    before, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(null)
        os.close(before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables that are not set yet, and remove them afterwards."""
    added: dict[str, Any] = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _keeping_signals() -> Iterator[None]:
    """Restore the handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
