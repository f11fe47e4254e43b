"""Where a store lies: a folder of this machine, or any place that fsspec reaches by a URL.

Files are written whole or not at all, and a place has one writer at a time. On this machine that is a lock that
the system drops when the writer's process ends, whichever way; elsewhere it is a lease, see
:mod:`onegrain.activations.lease`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from zarr.storage import LocalStore

from onegrain.activations.direct import write_file
from onegrain.core.storage import storage_errors
from onegrain.errors import MissingExtraError, OutputExistsError, ParameterError, StorageError

__all__ = ["LEASE", "Folder", "LocalFolder", "Release", "folder_at"]

LEASE = "writer.json"
URL = re.compile(r"[a-z][a-z0-9+.-]*://|.*::", re.IGNORECASE)
EXTRAS = {"s3fs": "onegrain[s3]"}


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


def folder_at(place: str | os.PathLike[str]) -> Folder:
    """The folder at a path, or at a URL such as ``s3://bucket/ewt.zarr``.

    Raises:
        MissingExtraError: the URL's protocol needs a package that is not installed.
        ParameterError: fsspec knows no such protocol, or the URL names no place in it.
        StorageError: the settings of the protocol are not usable.
    """
    name = os.fspath(place)
    if not URL.match(name):
        return LocalFolder(Path(name))
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    from onegrain.activations.remote import RemoteFolder

    try:
        files, root = url_to_fs(name)
    except ImportError as error:
        raise MissingExtraError(_lacking(name, error)) from error
    except ValueError as error:
        raise ParameterError(f"cannot use {name}: {error}") from error
    except Exception as error:  # whatever a file system of fsspec raises over its settings
        raise StorageError(
            f"cannot use {name}: {type(error).__name__}: {error}; check the settings of its protocol"
        ) from error
    if isinstance(files, LocalFileSystem):
        return LocalFolder(Path(root))
    if not root.strip("/"):
        raise ParameterError(f"{name} names no place for a store; expected a URL like s3://bucket/ewt.zarr")
    return RemoteFolder(name.rstrip("/"), files, root.rstrip("/"))


def _lacking(url: str, error: ImportError) -> str:
    """What to install: fsspec's error has that of the import itself behind it."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    if not cause.name:
        return f"{url} needs a package that is not installed: {error}"
    package = cause.name.partition(".")[0]
    return f"{url} needs the package {package}: pip install '{EXTRAS.get(package, package)}'"


class LocalFolder(Folder):
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> Path:
        """The path."""
        return self._path

    def require_usable(self) -> None:
        """Refuse a file in the folder's place, and a folder at which another writer is."""
        self._refuse_file()
        if self._path.is_dir():
            self.hold()()

    def exists(self) -> bool:
        """Whether a folder or file is there."""
        return self._path.exists()

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(
                f"cannot read {self._path / name}: {error.strerror}; check the disk and your rights"
            ) from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """The bytes of some files."""
        return {name: self.read(name) for name in names}

    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Write a file beside its place and move it there."""
        path = self._path / name
        partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
        with storage_errors(self._path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                write_file(partial, [data] if isinstance(data, bytes) else data)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(
            path.relative_to(self._path).as_posix() for path in self._path.rglob("*") if not path.is_dir()
        )

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        path = self._path / name
        with storage_errors(self._path):
            path.unlink()
            for parent in path.parents:
                if parent == self._path or any(parent.iterdir()):
                    return
                parent.rmdir()

    def array_store(self, name: str) -> LocalStore:
        """The read-only Zarr store whose root is the array of that name."""
        return LocalStore(self._path / name, read_only=True)

    def hold(self) -> Release:
        """Lock the folder, which is made where it is not there; without effect on a disk without locks."""
        self._refuse_file()
        with storage_errors(self._path):
            descriptor = self._locked()
        held = [descriptor]

        def release(*, drop: bool = False) -> None:
            if held:
                if drop:
                    self._drop()
                os.close(held.pop())

        return release

    def _locked(self) -> int:
        """The folder, opened and locked; again where it was removed between the two."""
        while True:
            self._path.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise OutputExistsError(
                    f"another writer is at work on {self}; wait until it is done, or choose another output"
                ) from None
            except OSError:
                return descriptor
            if self._path.is_dir() and os.path.samestat(os.fstat(descriptor), self._path.stat()):
                return descriptor
            os.close(descriptor)

    def _drop(self) -> None:
        """Remove the folder and the folders in it, as far as they are empty."""
        folders = [path for path in self._path.rglob("*") if path.is_dir() and not path.is_symlink()]
        for folder in [*sorted(folders, reverse=True), self._path]:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _refuse_file(self) -> None:
        if not self._path.is_dir() and (self._path.exists() or self._path.is_symlink()):
            raise OutputExistsError(f"{self} is a file; a store is a folder, choose another output")
