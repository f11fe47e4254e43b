"""Files and folders that survive a power cut.

What is written, and the name that it is given, are in the system's memory at first. ``fsync`` of the file
brings its content to the disk, ``fsync`` of the folder its name.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

__all__ = ["make_folder", "replace_durably", "sync_file", "sync_folder", "sync_tree"]

NOT_OFFERED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS}
"""What a file system answers that cannot sync a folder, or needs not to."""


def sync_file(path: Path) -> None:
    """Bring the content of a file to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Bring the names in a folder to the disk; one that may be written but not listed is left to the system."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Bring every file and folder below a folder to the disk, and the folder."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                sync_file(file)
        sync_folder(Path(folder))


def make_folder(path: Path) -> None:
    """Make a folder, and the folders above it that are missing, and bring their names to the disk."""
    missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def replace_durably(source: Path, target: Path) -> None:
    """Give a synced file or folder its final name, and bring the name to the disk."""
    source.replace(target)
    sync_folder(target.parent)


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NOT_OFFERED:
            raise
