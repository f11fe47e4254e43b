"""A place that holds the files of one store, whichever way they are kept there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from onegrain.activations.store.journal import Mark

__all__ = ["LEASE", "Folder", "Release"]

LEASE = "writer.json"


class Release(Protocol):
    """Lets other writers at a place."""

    def __call__(self, *, drop: bool = False) -> None:
        """Let go; with ``drop``, of a place without files nothing is left."""


class Folder(ABC):
    """A place that holds the files of one store, by names with slashes in them.

    What a failing disk or service raises comes out of every method as StorageError.
    """

    @property
    @abstractmethod
    def place(self) -> Path | str:
        """The path, or the URL."""

    @abstractmethod
    def require_usable(self) -> None:
        """Raise OutputExistsError or StorageError where no store can be put, before hours of work."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether anything is there."""

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""

    @abstractmethod
    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """The bytes of some files, all at once where that is faster."""

    @abstractmethod
    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Write a file, whole or not at all; a large one comes in pieces of whole pages, but for the last."""

    @abstractmethod
    def sync(self) -> None:
        """Bring what was written so far to the disk, so that a power cut does not lose it."""

    @abstractmethod
    def holds(self, name: str, mark: Mark) -> bool:
        """Return True if a file has the size and, as far as that can be known, the checksum of a mark."""

    @abstractmethod
    def first_file(self, besides: Sequence[str] = ()) -> str | None:
        """Return the name of a file other than some and than leftovers; None if there are only those."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all files, sorted."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, and what folders it leaves empty."""

    @abstractmethod
    def array_store(self, name: str) -> Any:
        """The read-only Zarr store whose root is the array of that name."""

    @abstractmethod
    def hold(self) -> Release:
        """Become the only writer until the returned function is called, or this process ends.

        Raises:
            OutputExistsError: somebody else writes here.
        """

    def __str__(self) -> str:
        return str(self.place)
