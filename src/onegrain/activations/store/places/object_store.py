"""Read and write the files at a URL through fsspec."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from zarr.storage import FsspecStore

from onegrain.errors import OnegrainError, StorageError

__all__ = ["Objects"]

BUCKETS = {"abfs", "abfss", "adl", "az", "gcs", "gs", "oci", "oss", "r2", "s3", "s3a", "tos"}
"""Protocols whose folders are only prefixes of names; only the bucket, the first folder, must exist."""

RIGHTS = (
    "check the credentials and their permissions, which fsspec takes from the protocol's settings (for S3: "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE)"
)
NETWORK = (
    "check the network and the address of the service (for S3: AWS_ENDPOINT_URL), and run the command again"
)


class Objects:
    """The files below a URL, addressed by name; every error of the service becomes a StorageError.

    Args:
        url: the URL as the user wrote it, for messages.
        files: the fsspec file system, with its settings for credentials and addresses.
        root: the path of the URL within the file system.
    """

    def __init__(self, url: str, files: Any, root: str) -> None:
        self.url = url
        self._files = files
        self._root = root
        protocol = files.protocol
        self._bucket = bool(BUCKETS.intersection([protocol] if isinstance(protocol, str) else protocol))

    def exists(self) -> bool:
        """Return True if there is any file."""
        with self._errors():
            self._files.invalidate_cache()
            return bool(self._files.exists(self._root))

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file, or None if it does not exist."""
        return self.read_all([name])[name]

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return the bytes of several files (None for a missing one), read in parallel where possible."""
        contents: dict[str, bytes | None] = {}
        with self._errors():
            self._files.invalidate_cache()
            paths = [self._path(name) for name in names]
            no_limits = [None] * len(paths)
            results = self._files.cat_ranges(paths, no_limits, no_limits, on_error="return")
            for name, result in zip(names, results, strict=True):
                if isinstance(result, BaseException) and not isinstance(result, FileNotFoundError):
                    raise result
                contents[name] = None if isinstance(result, BaseException) else bytes(result)
        return contents

    def write(self, name: str, data: bytes, *, create: bool = False) -> None:
        """Write a file; with ``create``, only if it does not exist.

        Object stores show the file completely or not at all. If the file exists, or if the service has no
        conditional writes and another writer overwrites the file, ``create`` raises no error: read the file to
        learn whose it is.
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
        """Return the names of all files, sorted."""
        with self._errors():
            self._files.invalidate_cache()
            try:
                paths = self._files.find(self._root)
            except FileNotFoundError:
                if self._bucket:
                    raise
                paths = []
        start = self._root.strip("/") + "/"
        below = (path.lstrip("/") for path in paths)
        return sorted(path.removeprefix(start) for path in below if path.startswith(start) and path != start)

    def size(self, name: str) -> int | None:
        """Return the size of a file in bytes, or None if it does not exist."""
        with self._errors():
            try:
                return int(self._files.size(self._path(name)))
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """Remove a file and, on file systems with real folders, the folders that become empty."""
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
        """Return a read-only Zarr store rooted at a name, which uses the same connections."""
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
            raise StorageError(f"cannot use {self.url}: {_message(error)}; {_remedy(error)}") from error


def _message(error: Exception) -> str:
    """Return the message of an error in one line, with the type unless it is an OSError."""
    message = " ".join(str(error).split())
    return message if isinstance(error, OSError) and message else f"{type(error).__name__}: {message}"


def _remedy(error: Exception) -> str:
    """Return what the user should try; errors of a service's library are recognised by name."""
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    if isinstance(error, FileNotFoundError):
        return "create the bucket or folder first, or choose another output"
    if isinstance(error, PermissionError) or "Credential" in names or "Forbidden" in names:
        return RIGHTS
    if isinstance(error, ConnectionError | TimeoutError) or "Connect" in names or "Timeout" in names:
        return NETWORK
    return "run the same command again; if it fails again, check the service and its settings"
