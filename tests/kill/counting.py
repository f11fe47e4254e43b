"""Count the operations on files that a process makes, and end it with SIGKILL at one of them.

The operations that are counted, from 0, are those that change what lies below a folder: opening a file to write
it, renaming, removing, making a folder, linking, truncating, and syncing a file or folder. The process is
killed before the operation happens, so every state between two operations is tried in which the kernel could
have ended it. Writes into an open file are not counted by themselves: files are written aside.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Counter"]

CHANGES = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.rmtree",
}


class Counter:
    """Counts operations, and ends the process at one of them."""

    def __init__(self, folder: Path, last: int) -> None:
        self.seen = 0
        self._folder = str(folder)
        self._last = last
        self._process = os.getpid()

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Count an event of Python's audit hooks, if it is about to change a file in the folder."""
        if event == "open":
            path, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes:
                self._count(path)
        elif event in CHANGES and arguments:
            self._count(*arguments[:2])

    def install(self) -> None:
        """Count from now on, in this process only."""
        import sys

        os.fsync = self._synced(os.fsync)
        sys.addaudithook(self.watch)

    def _synced(self, sync: Callable[[int], None]) -> Callable[[int], None]:
        """Return ``os.fsync`` that counts."""

        def counted(descriptor: int) -> None:
            if isinstance(descriptor, int):
                self._count(os.readlink(f"/proc/self/fd/{descriptor}"))
            sync(descriptor)

        return counted

    def _count(self, *paths: object) -> None:
        if os.getpid() != self._process:  # a worker process: its parent is the one that is killed
            return
        if not any(isinstance(path, (str, bytes, os.PathLike)) and self._below(path) for path in paths):
            return
        if self.seen == self._last:
            os.kill(self._process, signal.SIGKILL)
        self.seen += 1

    def _below(self, path: str | bytes | os.PathLike[Any]) -> bool:
        return os.path.abspath(os.fsdecode(path)).startswith(self._folder)
