"""A store at a URL: an object store, a server, memory."""

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
    """A place that a file system of fsspec reaches.

    Args:
        url: as the user gave it, without a slash at its end.
        files: the file system; credentials and addresses are fsspec's own settings.
        root: the path within it.
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
        """Take the lease and give it back, so that a wrong address or a missing right is told now."""
        self.hold()()

    def exists(self) -> bool:
        """Whether any object is there."""
        return self._objects.exists()

    def read(self, name: str) -> bytes | None:
        """An object's bytes, or None where there is none."""
        return self._objects.read(name)

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """The bytes of some objects, asked for together."""
        return self._objects.read_all(names)

    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Put an object; object stores show it whole or not at all."""
        self._require_held()
        self._objects.write(name, data if isinstance(data, bytes) else _joined(data))

    def sync(self) -> None:
        """Do nothing: an object that a service has taken is safe with it."""

    def holds(self, name: str, mark: Mark) -> bool:
        """Compare the size; the service itself checks what it keeps."""
        return self._objects.size(name) == mark.size

    def first_file(self, besides: Sequence[str] = ()) -> str | None:
        """The first of all names."""
        return next((name for name in self._objects.names() if name not in besides), None)

    def names(self) -> list[str]:
        """The names of all objects, sorted."""
        return self._objects.names()

    def remove(self, name: str) -> None:
        """Remove an object."""
        self._require_held()
        self._objects.remove(name)

    def array_store(self, name: str) -> FsspecStore:
        """The read-only Zarr store whose root is the array of that name."""
        return self._objects.array_store(name)

    def hold(self) -> Release:
        """Take the lease, and renew it until the returned function is called."""
        lease = self._lease = Lease(self._objects, LEASE)

        def release(*, drop: bool = False) -> None:
            """Nothing is left to drop: folders without files are gone, or were but the names of objects."""
            if self._lease is lease:
                self._lease = None
                lease.release()

        return release

    def _require_held(self) -> None:
        if self._lease is not None:
            self._lease.require_held()


def _joined(pieces: Iterator[memoryview]) -> bytes:
    """The bytes of pieces that are each good until the next is asked for."""
    whole = bytearray()
    for piece in pieces:
        whole += piece
    return bytes(whole)
