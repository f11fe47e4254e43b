"""One writer at a time where the system keeps no locks: a lease, which its holder renews.

A lease is a file that is made only where none is. It says who holds it and when that was last true. It lapses
when its process is gone, where that ran on this machine, or when it was not renewed for LAPSED_SECONDS; the
clocks of machines that write to one place must agree better than that.
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
"""Owners of leases that this process has let go of, though a service may have refused to remove them."""


class Lease:
    """The right to write at a place, held from when it is made until it is released.

    Args:
        objects: the place.
        name: of the lease's file.

    Raises:
        OutputExistsError: another writer holds it.
        StorageError: the service refuses it.
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
        """Raise StorageError if another writer took the place over while this one could not renew its lease."""
        if not self._lost and time.time() - self._renewed > LAPSED_SECONDS / 2:
            self.renew()
        if self._lost:
            raise StorageError(
                f"another writer took {self._objects.url} over while this one could not renew its lease, as "
                "happens when a machine sleeps or its network is away; run the same command when it is done"
            )

    def renew(self) -> None:
        """Say that this writer lives, unless another one took its place."""
        with suppress(OnegrainError):  # the store's own writes will tell
            if _read(self._objects.read(self._name)).get("owner") != self._ours["owner"]:
                self._lost = True
                return
            self._put()

    def release(self) -> None:
        """Let others write; what the service refuses to remove lapses."""
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
        if held is not None:  # another may have seen it lapsed too, and remove this one in its place
            time.sleep(SETTLED_SECONDS)
        now = self._objects.read(self._name)
        if _read(now).get("owner") != self._ours["owner"]:
            self._refuse(now)

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
            "wait until it is done, or choose another output"
        )


def _keep(reference: weakref.ref[Lease], stop: threading.Event) -> None:
    """Renew a lease until it is released, lost, or nobody's any more."""
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
    """What tells machines, and containers, of the same name apart."""
    known = []
    with suppress(OSError):
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        known.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(known) or f"{uuid.getnode():x}"


def _read(lease: bytes | None) -> dict[str, Any]:
    """What a lease says; nothing where it is none."""
    try:
        held = json.loads(lease or b"")
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _lapsed(lease: bytes) -> bool:
    """Whether its writer is gone: its process, where it ran on this machine, or the time it had to renew it."""
    held = _read(lease)
    try:
        if held["owner"] in _released:
            return True
        here = held["host"] == socket.gethostname() and held["machine"] == _machine()
        if here and not _running(int(held["process"]), float(held["began"])):
            return True
        return time.time() - float(held["renewed"]) > LAPSED_SECONDS
    except (ValueError, KeyError, TypeError):
        return True


def _running(process: int, began: float) -> bool:
    try:
        found = psutil.Process(process)
        return abs(found.create_time() - began) < 1.0 and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
