"""Where a store lies: a folder of this machine, or any place that fsspec reaches by a URL.

Files are written whole or not at all, and a place has one writer at a time. On this machine that is a lock that
the system drops when the writer's process ends, also when it is killed; elsewhere it is a lease, see
:mod:`onegrain.activations.store.places.lease`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from onegrain.activations.store.places.folder import LEASE, Folder, Release
from onegrain.activations.store.places.local import LocalFolder
from onegrain.errors import MissingExtraError, ParameterError, StorageError

__all__ = ["LEASE", "Folder", "LocalFolder", "Release", "folder_at"]

URL = re.compile(r"[a-z][a-z0-9+.-]*://|.*::", re.IGNORECASE)
EXTRAS = {"s3fs": "onegrain[s3]"}


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

    from onegrain.activations.store.places.remote import RemoteFolder

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
