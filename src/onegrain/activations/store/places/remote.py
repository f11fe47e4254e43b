"""Keep a store at a URL: in an object store, on a server or in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zarr.storage import FsspecStore

from onegrain.activations.store.journal import Mark
from onegrain.activations.store.places.folder import LEASE, Folder, Release
from onegrain.activations.store.places.lease import Lease
from onegrain.activations.store.places.object_store import Objects

__all__ = ["RemoteFolder"]


class RemoteFolder(Folder):
    """A folder that is reached through an fsspec file system.

    Args:
        url: the URL without a trailing slash.
        files: the fsspec file system, with its settings for credentials and addresses.
        root: the path of the URL within the file system.
    """

    def __init__(self, url: str, files: Any, root: str) -> None:
        self._url = url
        self._objects = Objects(url, files, root)
        self._lease: Lease | None = None

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    def require_usable(self) -> None:
        """Take and release the lease, so that a wrong address or a missing permission is reported now."""
        self.hold()()

    def exists(self) -> bool:
        """Return True if there is any object."""
        return self._objects.exists()

    def read(self, name: str) -> bytes | None:
        """Return the bytes of an object, or None if it does not exist."""
        return self._objects.read(name)

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return the bytes of several objects (None for a missing one), requested together."""
        return self._objects.read_all(names)

    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Write an object; object stores show it completely or not at all."""
        self._require_held()
        self._objects.write(name, data if isinstance(data, bytes) else _joined(data))

    def sync(self) -> None:
        """Do nothing, because the service has saved every object whose write it confirmed."""

    def holds(self, name: str, mark: Mark) -> bool:
        """Return True if an object has the right size; the service checks its own data."""
        return self._objects.size(name) == mark.size

    def first_file(self, besides: Sequence[str] = ()) -> str | None:
        """Return the first name, in sorted order, that is not in ``besides``, or None."""
        return next((name for name in self._objects.names() if name not in besides), None)

    def names(self) -> list[str]:
        """Return the names of all objects, sorted."""
        return self._objects.names()

    def remove(self, name: str) -> None:
        """Remove an object."""
        self._require_held()
        self._objects.remove(name)

    def array_store(self, name: str) -> FsspecStore:
        """Return a read-only Zarr store whose root is the array of that name."""
        return self._objects.array_store(name)

    def hold(self) -> Release:
        """Take the lease, and renew it until the returned function is called."""
        lease = self._lease = Lease(self._objects, LEASE)

        def release(*, drop: bool = False) -> None:
            """Release the lease; ``drop`` has no effect, as no empty folders remain here."""
            if self._lease is lease:
                self._lease = None
                lease.release()

        return release

    def _require_held(self) -> None:
        if self._lease is not None:
            self._lease.require_held()


def _joined(pieces: Iterator[memoryview]) -> bytes:
    """Return the concatenation of pieces, each of which is valid only until the next one is requested."""
    data = bytearray()
    for piece in pieces:
        data += piece
    return bytes(data)
