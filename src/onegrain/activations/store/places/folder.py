"""The interface of a place that holds the files of one store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from onegrain.activations.store.journal import Mark

__all__ = ["LEASE", "Folder", "Release"]

LEASE = "writer.json"


class Release(Protocol):
    """A function that releases the lock on a place, so that another writer can take it."""

    def __call__(self, *, drop: bool = False) -> None:
        """Release the lock; with ``drop``, also delete the place if it holds no files."""


class Folder(ABC):
    """A place that holds the files of one store; a file's name may contain slashes.

    Every method raises StorageError if the disk or the service fails.
    """

    @property
    @abstractmethod
    def place(self) -> Path | str:
        """The path or URL."""

    @abstractmethod
    def require_usable(self) -> None:
        """Check, before any work, that a store can be written here.

        Raises:
            OutputExistsError: the place is a file, or another writer uses it.
            ParameterError: the path or URL does not name a store.
            StorageError: the place cannot be reached or written to.
        """

    @abstractmethod
    def exists(self) -> bool:
        """Return True if the place exists."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file, or None if it does not exist."""

    @abstractmethod
    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return the bytes of several files by name, read in parallel if that is faster."""

    @abstractmethod
    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Write a file completely or not at all.

        Args:
            name: name of the file.
            data: its bytes, or pieces of them that fill full pages of memory, except the last.
        """

    @abstractmethod
    def sync(self) -> None:
        """Bring everything written so far to the disk, so that a power cut does not lose it."""

    @abstractmethod
    def holds(self, name: str, mark: Mark) -> bool:
        """Return True if a file has the size of a mark and, if the place can tell, its checksum."""

    @abstractmethod
    def first_file(self, besides: Sequence[str] = ()) -> str | None:
        """Return the name of any file other than leftovers and those in ``besides``; None without one."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all files, sorted."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file and the folders that become empty."""

    @abstractmethod
    def array_store(self, name: str) -> Any:
        """Return the read-only Zarr store whose root is the array of that name."""

    @abstractmethod
    def hold(self) -> Release:
        """Lock the place against other writers until the returned function is called or this process ends.

        Raises:
            OutputExistsError: another writer holds the lock.
        """

    def __str__(self) -> str:
        return str(self.place)
