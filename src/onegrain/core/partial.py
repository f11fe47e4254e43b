"""Unfinished outputs, in a folder beside the output that is locked while the writing process lives.

``.NAME.partial-PID/NAME`` lies beside ``NAME``, so that the last step is a rename within one file system. In
the folder is also a file that the process has locked (``flock``). The system drops the lock when the process
ends, also when it is killed, so a lock that can be taken proves that the writer is dead. A process number alone
could have been given to another process, or be that of another machine.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

__all__ = ["partial_beside", "sweep_leftovers"]

LOCK = ".onegrain-lock"
LONGEST_STEM = 200
"""Bytes of a name that a partial folder's name repeats; a longer name is represented by its hash."""


@contextmanager
def partial_beside(out: Path) -> Iterator[Path]:
    """Yield the path at which to write what will be renamed to ``out``; what remains there is removed.

    Leftovers of dead processes that wrote the same output are swept first. The folder of ``out`` must exist.
    """
    sweep_leftovers(out)
    folder, lock = _locked_folder(out)
    try:
        yield folder / out.name
    finally:
        _remove(folder)
        os.close(lock)


def sweep_leftovers(out: Path) -> None:
    """Remove the leftovers of dead processes beside an output; a live process keeps its folder."""
    stem = _stem(out)
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        for leftover in sorted(out.parent.iterdir()):
            if leftover.name.startswith(stem) and not leftover.is_symlink():
                _sweep(leftover, leftover.name.removeprefix(stem))


def _stem(out: Path) -> str:
    name = out.name
    if len(os.fsencode(name)) > LONGEST_STEM:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}.partial-"


def _locked_folder(out: Path) -> tuple[Path, int]:
    """Make a folder beside ``out``; return it and the descriptor of its locked file."""
    number = 0
    while True:
        folder = out.parent / f"{_stem(out)}{os.getpid()}{f'-{number}' if number else ''}"
        number += 1
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileNotFoundError:  # another process swept the folder while it was empty
            continue
        except OSError:
            folder.rmdir()
            raise
        if _taken(descriptor, folder / LOCK):
            return folder, descriptor
        os.close(descriptor)


def _taken(descriptor: int, path: Path) -> bool:
    """Lock the file; return False if another process is sweeping it. Without locks, no process sweeps."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _sweep(leftover: Path, number: str) -> None:
    """Remove one leftover if its writer is certainly dead."""
    try:
        descriptor = os.open(leftover / LOCK, os.O_RDWR)
    except (FileNotFoundError, NotADirectoryError):
        _sweep_unlocked(leftover, number)
        return
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(leftover)
    except OSError:  # locked by its writer, or on a file system without locks
        return
    finally:
        os.close(descriptor)


def _sweep_unlocked(leftover: Path, number: str) -> None:
    """Remove a leftover without a lock: an empty folder, or one of version 0.1.0 whose process is not alive."""
    with suppress(OSError):
        leftover.rmdir()
        return
    if not number.isdigit() or psutil.pid_exists(int(number)):
        return
    if leftover.is_dir():
        shutil.rmtree(leftover, ignore_errors=True)
    else:
        with suppress(OSError):
            leftover.unlink()


def _remove(folder: Path) -> None:
    """Remove a partial folder; its lock goes last, so that a removal cut off can be repeated."""
    with suppress(OSError):
        for path in list(folder.iterdir()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != LOCK:
                path.unlink()
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
