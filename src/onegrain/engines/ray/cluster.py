"""The connection to a Ray cluster: found or started, quiet, and left as it was."""

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
"""Environment of a connection that we make, unless the user says otherwise."""


@dataclass(frozen=True)
class Devices:
    """What a cluster has to work on.

    Attributes:
        most: workers that can run at once.
        usual: workers where nothing else is asked for.
        needs: what one of them takes, as arguments of ``map_batches``.
    """

    most: int
    usual: int
    needs: dict[str, float]


def devices() -> Devices:
    """The connected cluster's GPUs, one a worker; where it has none, a CPU a worker and a worker a node."""
    import ray

    having = ray.cluster_resources()
    if gpus := int(having.get("GPU", 0)):
        return Devices(gpus, gpus, {"num_gpus": 1})
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    return Devices(max(1, int(having.get("CPU", 0))), max(1, len(nodes)), {"num_cpus": 1})


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to a cluster, quietly; what was not connected before is not afterwards.

    Raises:
        EngineError: there is no such cluster, or it cannot be used from here.
        ParameterError: an address of Ray Client, or another than that of the connection that there is.
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

    here = ray.get_runtime_context().gcs_address
    if address not in (None, "auto", here):
        raise ParameterError(
            f"the address is {address!r}, but this process is connected to Ray at {here}; leave out the "
            "address, or call ray.shutdown() first"
        )


def _connect(address: str | None) -> None:
    import ray

    wanted = address or os.environ.get("RAY_ADDRESS", "")
    if "://" in wanted:
        raise ParameterError(
            f"{wanted} is an address of Ray Client, through which Ray Data does not run; run onegrain on a "
            "node of the cluster, with the address auto"
        )
    try:
        _knock(wanted)
        with _environment(QUIET), _own_signals(), _without_stderr():
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except Exception as error:
        ray.shutdown()
        place = f"the Ray cluster {wanted}" if wanted else "Ray on this machine"
        raise EngineError(f"cannot use {place}: {error}; {_remedy(error)}") from error


def _remedy(error: BaseException | None) -> str:
    while error is not None:
        if "AuthToken" in str(error):
            return "it asks for a token: set RAY_AUTH_MODE=token, and the token as the Ray documentation says"
        error = error.__cause__
    return "start one with `ray start --head`, or use this machine with the address local"


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at a ``HOST:PORT``: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Ray write its log files, but nothing on the terminal."""
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
    """Do not print, on stdout, what the cluster says of workers that die; Ray has no option for it."""
    from ray._private import worker

    before = getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Keep off the terminal what is not Python's: with the level of its log, Ray says that there is one."""
    if sys.stderr is not None:
        sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(nowhere)
        os.close(before)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    added: dict[str, Any] = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
