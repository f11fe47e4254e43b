"""Files and folders that survive a power cut.

A file's content and its name are in the system's memory at first. ``fsync`` of the file writes its content to
the disk, ``fsync`` of the folder writes its name.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["make_folder", "replace_durably", "sync_file", "sync_folder", "sync_tree"]

NOT_OFFERED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS}
"""Errors of file systems that cannot sync a folder, or need not."""


def sync_file(path: Path) -> None:
    """Write the content of a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Write the names in a folder to the disk; a folder that cannot be read is left to the system."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Write a folder, and every file and folder below it, to the disk."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                sync_file(file)
        sync_folder(Path(folder))


def make_folder(path: Path) -> None:
    """Make a folder and the missing folders above it, and write their names to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def replace_durably(source: Path, target: Path) -> None:
    """Give a synced file or folder its final name, and write the name to the disk."""
    source.replace(target)
    sync_folder(target.parent)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
