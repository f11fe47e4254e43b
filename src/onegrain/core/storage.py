"""One error, of one line, for everything that a disk or file system refuses."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onegrain.errors import OnegrainError, StorageError

__all__ = ["storage_errors"]

AGAIN = "run the same command again"
ELSEWHERE = "choose another output"
REASONS = {
    errno.ENOSPC: f"the disk is full; free some space and {AGAIN}",
    errno.EDQUOT: f"the disk quota is used up; free some space and {AGAIN}",
    errno.EFBIG: "the file would be larger than the limit on file sizes (ulimit -f) or the file system allows; "
    f"raise the limit and {AGAIN}",
    errno.EROFS: f"the file system is read-only; {ELSEWHERE}",
    errno.EACCES: f"permission denied; {ELSEWHERE}",
    errno.EPERM: f"permission denied; {ELSEWHERE}",
    errno.ENOTDIR: f"a part of its path is a file; {ELSEWHERE}",
    errno.EEXIST: f"a part of its path is a file, or a link that leads nowhere; {ELSEWHERE}",
    errno.EISDIR: f"a folder is in its place; {ELSEWHERE}",
    errno.ENOTEMPTY: f"a folder in its place is not empty; {ELSEWHERE}",
    errno.ELOOP: f"the links in its path lead in a circle; {ELSEWHERE}",
    errno.ENAMETOOLONG: f"the name is too long; {ELSEWHERE}",
    errno.ENOENT: "its folder was moved or removed meanwhile, or no files can be made there; look for it, or "
    f"{ELSEWHERE}",
    errno.EMFILE: f"too many files are open (ulimit -n); raise the limit and {AGAIN}",
    errno.ENFILE: f"too many files are open on this machine; {AGAIN}",
    errno.ENOMEM: f"the memory is full; free some and {AGAIN}",
    errno.EIO: f"the disk fails; check it, or {ELSEWHERE}",
    errno.ESTALE: f"the disk is gone; check its mount and {AGAIN}",
    errno.ENODEV: f"the disk is gone; check its mount and {AGAIN}",
    errno.ENXIO: f"the disk is gone; check its mount and {AGAIN}",
}
NUMBERED = re.compile(r"(?:os error|errno =|\[Errno) (\d+)")
"""The pattern of the system's error number in messages of libraries in other languages (safetensors, HDF5)."""
TORCH = ("PytorchStreamWriter failed writing", "inline_container.cc")
TORCH_GONE = "Parent directory"
LONGEST = 200


@contextmanager
def storage_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn every error of the disk while a file is written into one StorageError with a remedy.

    These are every OSError, a path that no file can have (with a NUL byte), and the errors that libraries raise
    instead of those of the system. Errors of onegrain, and errors that do not concern a disk, pass through.
    """
    try:
        yield
    except OnegrainError:
        raise
    except Exception as error:  # safetensors and pyarrow have error classes without a common base
        reason = _reason(error)
        if reason is None:
            raise
        raise StorageError(f"cannot write {_named(path, error)}: {reason}") from error


def _reason(error: Exception) -> str | None:
    """Return the cause and the remedy; None if the error is not about a disk."""
    if isinstance(error, OSError) and error.errno is not None:
        return _described(error.errno, error)
    number = NUMBERED.search(str(error))
    if number is not None:
        return _described(int(number[1]), error)
    if isinstance(error, OSError):
        return f"{_line(error)}; check the disk, or {ELSEWHERE}"
    if isinstance(error, ValueError) and "embedded null" in str(error):
        return f"its path has a NUL character; {ELSEWHERE}"
    if TORCH_GONE in str(error):
        return REASONS[errno.ENOENT]
    if any(sign in str(error) for sign in TORCH):
        return f"the disk refused a part of it, as a full one does; free some space and {AGAIN}"
    return None


def _described(number: int, error: Exception) -> str:
    return REASONS.get(number) or f"{os.strerror(number) or _line(error)}; check the disk, or {ELSEWHERE}"


def _named(path: str | os.PathLike[str], error: Exception) -> str:
    """Return the name of the output, with the file that the error is about if that is elsewhere."""
    out = _short(os.fspath(path))
    name = error.filename if isinstance(error, OSError) else None
    if not isinstance(name, (str, bytes)):
        return out
    file = Path(os.fsdecode(name))
    beside = Path(path).parent
    near = beside in file.parents or file == beside or file.parent in (beside, *beside.parents)
    return out if near else f"{out} ({_short(str(file))})"


def _line(error: Exception) -> str:
    return _short(" ".join(str(error).split()) or type(error).__name__)


def _short(text: str) -> str:
    shown = text.replace("\0", "\\0")
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST // 2]}...{shown[-LONGEST // 4 :]}"
