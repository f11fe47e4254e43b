"""Admit one writer at a time to a place without file locks, by a lease that its holder renews.

A lease is a file that is only created if it does not exist. It records its holder and the time of the last
renewal. It lapses when its process has ended, if that ran on this machine, or LAPSED_SECONDS after the last
renewal. The clocks of all machines that write to one place must differ by less than that.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from onegrain.activations.store.places.object_store import Objects
from onegrain.errors import OnegrainError, OutputExistsError, StorageError

__all__ = ["Lease"]

RENEWED_SECONDS = 20.0
LAPSED_SECONDS = 120.0
SETTLED_SECONDS = 1.0

_released: set[str] = set()
"""Owners of leases that this process has released, even if the service failed to remove their files."""


class Lease:
    """The exclusive right to write at a place, from the construction of the object until :meth:`release`.

    Args:
        objects: the files of the place.
        name: name of the lease's file.

    Raises:
        OutputExistsError: another writer holds the lease.
        StorageError: the service refuses a request or cannot be reached.
    """

    def __init__(self, objects: Objects, name: str) -> None:
        self._objects = objects
        self._name = name
        self._ours = {"owner": uuid.uuid4().hex, **_this_process()}
        self._renewed = 0.0
        self._lost = False
        self._take()
        stop = threading.Event()
        self._stop = weakref.finalize(self, stop.set)
        self._thread = threading.Thread(
            target=_keep, args=(weakref.ref(self), stop), name="onegrain-lease", daemon=True
        )
        self._thread.start()

    def require_held(self) -> None:
        """Raise StorageError if another writer took the lease while this one could not renew it."""
        if not self._lost and time.time() - self._renewed > LAPSED_SECONDS / 2:
            self.renew()
        if self._lost:
            raise StorageError(
                f"another writer took over {self._objects.url} because this one could not renew its lease, "
                "which happens if a machine sleeps or loses its network; run the same command again when the "
                "other writer has finished"
            )

    def renew(self) -> None:
        """Record that this writer is still running, unless another one took the lease."""
        with suppress(OnegrainError):  # the next write to the store reports the problem
            if _read(self._objects.read(self._name)).get("owner") != self._ours["owner"]:
                self._lost = True
                return
            self._put()

    def release(self) -> None:
        """Remove the lease so that another writer can take it; if that fails, the lease lapses by itself."""
        self._stop()
        self._thread.join()
        _released.add(str(self._ours["owner"]))
        with suppress(OnegrainError):
            if _read(self._objects.read(self._name)).get("owner") == self._ours["owner"]:
                self._objects.remove(self._name)

    def _take(self) -> None:
        held = self._objects.read(self._name)
        if held is not None:
            if not _lapsed(held):
                self._refuse(held)
            self._objects.remove(self._name)
        self._put(create=True)
        if held is not None:  # another writer may have seen the lapsed lease too, and remove this new one
            time.sleep(SETTLED_SECONDS)
        current = self._objects.read(self._name)
        if _read(current).get("owner") != self._ours["owner"]:
            self._refuse(current)

    def _put(self, *, create: bool = False) -> None:
        now = time.time()
        self._objects.write(self._name, json.dumps({**self._ours, "renewed": now}).encode(), create=create)
        self._renewed = now

    def _refuse(self, lease: bytes | None) -> None:
        held = _read(lease)
        who = "another writer"
        if "host" in held and "process" in held:
            who += f" (process {held['process']} on {held['host']})"
        raise OutputExistsError(
            f"{who} is at work on {self._objects.url}, or died less than {LAPSED_SECONDS:.0f} seconds ago; "
            "wait until it has finished, or choose another output"
        )


def _keep(reference: weakref.ref[Lease], stop: threading.Event) -> None:
    """Renew a lease regularly until it is released, lost or garbage-collected."""
    while not stop.wait(RENEWED_SECONDS):
        lease = reference()
        if lease is None:
            return
        lease.renew()
        if lease._lost:
            return
        del lease


def _this_process() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "machine": _machine(),
        "process": os.getpid(),
        "began": psutil.Process().create_time(),
    }


def _machine() -> str:
    """Return an identifier that differs between machines and containers of the same host name."""
    identifiers = []
    with suppress(OSError):
        identifiers.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        identifiers.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(identifiers) or f"{uuid.getnode():x}"


def _read(lease: bytes | None) -> dict[str, Any]:
    """Return the fields of a lease, or an empty dict if the bytes are not a lease."""
    try:
        held = json.loads(lease or b"")
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _lapsed(lease: bytes) -> bool:
    """Return True if a lease is released, its process on this machine has ended, or its time has run out."""
    held = _read(lease)
    try:
        if held["owner"] in _released:
            return True
        is_local = held["host"] == socket.gethostname() and held["machine"] == _machine()
        if is_local and not _running(int(held["process"]), float(held["began"])):
            return True
        return time.time() - float(held["renewed"]) > LAPSED_SECONDS
    except (ValueError, KeyError, TypeError):
        return True


def _running(process_id: int, began: float) -> bool:
    try:
        process = psutil.Process(process_id)
        return abs(process.create_time() - began) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
