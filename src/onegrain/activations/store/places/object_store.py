"""The files at a URL, as fsspec reaches them."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from zarr.storage import FsspecStore

from onegrain.errors import OnegrainError, StorageError

__all__ = ["Objects"]

BUCKETS = {"abfs", "abfss", "adl", "az", "gcs", "gs", "oci", "oss", "r2", "s3", "s3a", "tos"}
"""Protocols whose folders are but the beginnings of names; only the first, the bucket, must be made."""

RIGHTS = (
    "check the credentials and their rights, which fsspec takes from the protocol's own settings (for S3: "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)"
)
NETWORK = "check the network and the address of the service (for S3: AWS_ENDPOINT_URL), and run it again"


class Objects:
    """Files by their names below a URL; what a service raises, whose kinds differ, becomes one StorageError.

    Args:
        url: as the user gave it.
        files: the file system of fsspec; credentials and addresses are its own settings.
        root: the path within it.
    """

    def __init__(self, url: str, files: Any, root: str) -> None:
        self.url = url
        self._files = files
        self._root = root
        protocol = files.protocol
        self._bucket = bool(BUCKETS.intersection([protocol] if isinstance(protocol, str) else protocol))

    def exists(self) -> bool:
        """Whether any file is there."""
        with self._errors():
            self._files.invalidate_cache()
            return bool(self._files.exists(self._root))

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        return self.read_all([name])[name]

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """The bytes of some files, several at a time where the service can."""
        found: dict[str, bytes | None] = {}
        with self._errors():
            self._files.invalidate_cache()
            paths = [self._path(name) for name in names]
            nothing = [None] * len(paths)
            contents = self._files.cat_ranges(paths, nothing, nothing, on_error="return")
            for name, content in zip(names, contents, strict=True):
                if isinstance(content, BaseException) and not isinstance(content, FileNotFoundError):
                    raise content
                found[name] = None if isinstance(content, BaseException) else bytes(content)
        return found

    def write(self, name: str, data: bytes, *, create: bool = False) -> None:
        """Put a file, which object stores show whole or not at all; with ``create``, only where none is.

        Where the service cannot do that, or another was there first, the file is not this one afterwards, or
        not for long: read it.
        """
        path = self._path(name)
        with self._errors():
            try:
                self._put(path, data, create=create)
            except FileNotFoundError:
                if self._bucket:
                    raise
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._put(path, data, create=create)

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        with self._errors():
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root)
            except FileNotFoundError:
                if self._bucket:
                    raise
                found = []
        start = self._root.strip("/") + "/"
        below = (path.lstrip("/") for path in found)
        return sorted(path.removeprefix(start) for path in below if path.startswith(start) and path != start)

    def size(self, name: str) -> int | None:
        """The bytes of a file; None where there is none."""
        with self._errors():
            try:
                return int(self._files.size(self._path(name)))
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """Remove a file, and where there are real folders those that it leaves empty."""
        path = self._path(name)
        with self._errors():
            self._files.rm_file(path)
            if self._bucket:
                return
            with suppress(OSError, NotImplementedError):
                self._files.invalidate_cache()
                while len(path) > len(self._root):
                    path = path.rpartition("/")[0]
                    self._files.rmdir(path)

    def array_store(self, name: str) -> FsspecStore:
        """The read-only Zarr store whose root is a name; it reads by the same connections."""
        from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

        wrapped = AsyncFileSystemWrapper(self._files, asynchronous=True)
        return FsspecStore(wrapped, read_only=True, path=self._path(name))

    def _put(self, path: str, content: bytes, *, create: bool) -> None:
        if not create:
            self._files.pipe_file(path, content)
            return
        try:
            self._files.pipe_file(path, content, mode="create")
        except FileExistsError:
            return
        except (NotImplementedError, TypeError, ValueError):
            self._files.pipe_file(path, content)
        except OSError as error:
            if error.errno == errno.ENOSYS:
                self._files.pipe_file(path, content)
            elif not self._files.exists(path):
                raise

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OnegrainError:
            raise
        except Exception as error:
            raise StorageError(f"cannot use {self.url}: {_told(error)}; {_remedy(error)}") from error


def _told(error: Exception) -> str:
    """What an error says, in one line."""
    said = " ".join(str(error).split())
    return said if isinstance(error, OSError) and said else f"{type(error).__name__}: {said}"


def _remedy(error: Exception) -> str:
    """What to try; the errors of a service's own library are known by their names only."""
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, FileNotFoundError):
        return "make the bucket or folder first, or choose another output"
    if isinstance(error, PermissionError) or "Credential" in names or "Forbidden" in names:
        return RIGHTS
    if isinstance(error, ConnectionError | TimeoutError) or "Connect" in names or "Timeout" in names:
        return NETWORK
    return "run the same command again; if it fails again, check the service and its settings"
