"""Find the place of a store by its path or URL.

A file is written completely or not at all, and a place has one writer at a time. A local folder is locked, and
the system releases the lock when the writer's process ends, even if it is killed. Other places use a lease; see
:mod:`onegrain.activations.store.places.lease`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from onegrain.activations.store.places.folder import Folder
from onegrain.activations.store.places.local import LocalFolder
from onegrain.errors import MissingExtraError, ParameterError, StorageError

__all__ = ["folder_at"]

URL = re.compile(r"[a-z][a-z0-9+.-]*://|.*::", re.IGNORECASE)
EXTRAS = {"s3fs": "onegrain[s3]"}


def folder_at(place: str | os.PathLike[str]) -> Folder:
    """Return the folder at a path, or at a URL such as ``s3://bucket/ewt.zarr``.

    Raises:
        MissingExtraError: the URL's protocol needs a package that is not installed.
        ParameterError: fsspec does not know the protocol, or the URL contains no path.
        StorageError: the settings of the protocol are invalid.
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
    except Exception as error:  # file systems of fsspec raise errors of many kinds for invalid settings
        raise StorageError(
            f"cannot use {name}: {type(error).__name__}: {error}; check the settings of its protocol"
        ) from error
    if isinstance(files, LocalFileSystem):
        return LocalFolder(Path(root))
    if not root.strip("/"):
        raise ParameterError(f"{name} does not name a store; expected a URL like s3://bucket/ewt.zarr")
    return RemoteFolder(name.rstrip("/"), files, root.rstrip("/"))


def _lacking(url: str, error: ImportError) -> str:
    """Return the message that names the package to install, which the cause of fsspec's error reveals."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    if not cause.name:
        return f"{url} needs a package that is not installed: {error}"
    package = cause.name.partition(".")[0]
    return f"{url} needs the package {package}: pip install '{EXTRAS.get(package, package)}'"
