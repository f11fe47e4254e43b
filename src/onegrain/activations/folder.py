"""Where a store lies: a folder of this machine, or any place that fsspec reaches by a URL.

Files are written whole or not at all, and a place has one writer at a time. On this machine that is a lock that
the system drops when the writer's process ends, whichever way. Elsewhere it is a lease, a file made only where
none is, which its writer renews; a lease that is not renewed lapses.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from zarr.storage import FsspecStore, LocalStore

from onegrain.activations.direct import write_file
from onegrain.core.output import storage_errors, whole_file
from onegrain.errors import MissingExtraError, OnegrainError, OutputExistsError, ParameterError, StorageError

__all__ = ["LEASE", "Folder", "LocalFolder", "RemoteFolder", "folder_at"]

LEASE = "writer.json"
RENEWED_SECONDS = 20.0
LAPSED_SECONDS = 120.0
URL = re.compile(r"[a-z][a-z0-9+.-]*://|.*::", re.IGNORECASE)


class Folder(ABC):
    """A place that holds the files of one store, by names with slashes in them."""

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
    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file, whole or not at all."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of all files, sorted."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file."""

    @abstractmethod
    def drop(self) -> None:
        """Remove what is left of the place itself, now that it is empty."""

    @abstractmethod
    def array_store(self, name: str, *, read_only: bool) -> Any:
        """The Zarr store whose root is the array of that name."""

    @abstractmethod
    def hold(self) -> Callable[[], None]:
        """Become the only writer until the returned function is called, or this process ends.

        Raises:
            OutputExistsError: somebody else writes here.
        """

    @abstractmethod
    def errors(self) -> AbstractContextManager[None]:
        """Turn what a failing disk or service raises into one StorageError."""

    def __str__(self) -> str:
        return str(self.place)


def folder_at(place: str | os.PathLike[str]) -> Folder:
    """The folder at a path, or at a URL such as ``s3://bucket/ewt.zarr``.

    Raises:
        MissingExtraError: the URL's protocol needs a package that is not installed.
        ParameterError: fsspec knows no such protocol.
    """
    name = os.fspath(place)
    if not URL.match(name):
        return LocalFolder(Path(name))
    from fsspec.core import url_to_fs
    from fsspec.implementations.local import LocalFileSystem

    try:
        files, root = url_to_fs(name)
    except ImportError as error:
        raise MissingExtraError(f"{name} needs a package that is not installed: {error}") from error
    except ValueError as error:
        raise ParameterError(f"cannot use {name}: {error}") from error
    return LocalFolder(Path(root)) if isinstance(files, LocalFileSystem) else RemoteFolder(name, files, root)


class LocalFolder(Folder):
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def place(self) -> Path:
        """The path."""
        return self._path

    def require_usable(self) -> None:
        """Refuse a file in the folder's place."""
        if not self._path.is_dir() and (self._path.exists() or self._path.is_symlink()):
            raise OutputExistsError(f"{self} is a file; a store is a folder, choose another output")

    def exists(self) -> bool:
        """Whether a folder or file is there."""
        return self._path.exists()

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Write a file beside its place and move it there."""
        with whole_file(self._path / name, force=True) as partial:
            write_file(partial, data)

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(
            path.relative_to(self._path).as_posix() for path in self._path.rglob("*") if not path.is_dir()
        )

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        path = self._path / name
        path.unlink()
        for parent in path.parents:
            if parent == self._path or any(parent.iterdir()):
                return
            parent.rmdir()

    def drop(self) -> None:
        """Remove the folder."""
        if self._path.is_dir():
            shutil.rmtree(self._path)

    def array_store(self, name: str, *, read_only: bool) -> LocalStore:
        """The Zarr store whose root is the array of that name."""
        return LocalStore(self._path / name, read_only=read_only)

    def hold(self) -> Callable[[], None]:
        """Lock the folder, which is made where it is not there; without effect on a system without locks."""
        self.require_usable()
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
            pass
        return lambda: os.close(descriptor)

    def errors(self) -> AbstractContextManager[None]:
        """Turn a full, read-only or vanished disk into one StorageError."""
        return storage_errors(self._path)


class RemoteFolder(Folder):
    """A place that a file system of fsspec reaches: an object store, a server, memory.

    Args:
        url: as the user gave it.
        files: the file system; credentials and endpoints are fsspec's own settings.
        root: the path within it.
    """

    def __init__(self, url: str, files: Any, root: str) -> None:
        self._url = url
        self._files = files
        self._root = root.rstrip("/")

    @property
    def place(self) -> str:
        """The URL."""
        return self._url

    def require_usable(self) -> None:
        """Ask the service for the place, so that a wrong address or a missing right is told."""
        self.exists()

    def exists(self) -> bool:
        """Whether any object is there."""
        with self.errors():
            self._files.invalidate_cache()
            return bool(self._files.exists(self._root))

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        with self.errors():
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes | memoryview) -> None:
        """Put an object; object stores show it whole or not at all."""
        with self.errors():
            self._files.pipe_file(self._path(name), bytes(data))

    def names(self) -> list[str]:
        """The names of all objects, sorted."""
        with self.errors():
            self._files.invalidate_cache()
            found = self._files.find(self._root)
        start = len(self._files._strip_protocol(self._root)) + 1
        return sorted(path[start:] for path in found if len(path) > start)

    def remove(self, name: str) -> None:
        """Remove an object."""
        with self.errors():
            self._files.rm_file(self._path(name))

    def drop(self) -> None:
        """Remove what is left: nothing, where folders are but the names of objects."""
        with self.errors():
            self._files.invalidate_cache()
            if self._files.exists(self._root):
                self._files.rm(self._root, recursive=True)

    def array_store(self, name: str, *, read_only: bool) -> FsspecStore:
        """The Zarr store whose root is the array of that name."""
        url = f"{self._url.rstrip('/')}/{name}"
        return FsspecStore.from_url(url, read_only=read_only)

    def hold(self) -> Callable[[], None]:
        """Take the lease, and renew it until the returned function is called."""
        ours = {"owner": uuid.uuid4().hex, "host": socket.gethostname(), **_this_process()}
        self._take_lease(ours)
        stop = threading.Event()

        def renew() -> None:
            while not stop.wait(RENEWED_SECONDS):
                try:
                    self.write(LEASE, _lease(ours))
                except OnegrainError:
                    continue  # the store's own writes will tell

        def release() -> None:
            stop.set()
            renewing.join()
            if _owner(self.read(LEASE)) == ours["owner"]:
                self.remove(LEASE)

        renewing = threading.Thread(target=renew, name="onegrain-lease", daemon=True)
        renewing.start()
        return release

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the service raises, whose kinds differ from one to the next, into one StorageError."""
        try:
            yield
        except (OnegrainError, FileExistsError):
            raise
        except FileNotFoundError as error:
            raise StorageError(f"cannot use {self}: {error}; make the bucket or folder first") from error
        except Exception as error:
            raise StorageError(f"cannot use {self}: {type(error).__name__}: {error}") from error

    def _take_lease(self, ours: dict[str, Any]) -> None:
        for _ in range(2):
            try:
                with self.errors():
                    self._files.pipe_file(self._path(LEASE), _lease(ours), mode="create")
                return
            except FileExistsError:
                held = self.read(LEASE)
                if held is not None and not _lapsed(held):
                    break
                if held is not None:
                    self.remove(LEASE)
        raise OutputExistsError(
            f"another writer is at work on {self}, or died less than {LAPSED_SECONDS:.0f} seconds ago; "
            "wait until it is done, or choose another output"
        )

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _this_process() -> dict[str, Any]:
    return {"process": os.getpid(), "began": psutil.Process().create_time()}


def _lease(ours: dict[str, Any]) -> bytes:
    return json.dumps({**ours, "renewed": time.time()}, sort_keys=True).encode()


def _owner(lease: bytes | None) -> str | None:
    try:
        return str(json.loads(lease or b"")["owner"])
    except (ValueError, KeyError, TypeError):
        return None


def _lapsed(lease: bytes) -> bool:
    """Whether its writer is gone: its process, where it ran on this machine, or the time it had to renew it."""
    try:
        held = json.loads(lease)
        if held["host"] == socket.gethostname():
            return not _running(int(held["process"]), float(held["began"]))
        return time.time() - float(held["renewed"]) > LAPSED_SECONDS
    except (ValueError, KeyError, TypeError):
        return True


def _running(process: int, began: float) -> bool:
    try:
        return abs(psutil.Process(process).create_time() - began) < 1.0
    except psutil.NoSuchProcess:
        return False
