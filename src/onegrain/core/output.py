"""Writing a record so that it is there whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onegrain.errors import OutputExistsError, StorageError

__all__ = ["claim_output", "require_free", "storage_errors", "whole_file", "whole_folder"]


def claim_output(path: str | os.PathLike[str], *, force: bool) -> Path:
    """Return the path, ready to be written; refuse one that exists unless ``force``, which removes it."""
    out = Path(path)
    if out.exists() or out.is_symlink():
        if not force:
            raise OutputExistsError(f"{out} exists already; use --force (force=True) to replace it")
        if out.is_dir() and not out.is_symlink():
            shutil.rmtree(out)
        else:
            out.unlink()
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    return out


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what a full, read-only or vanished disk raises into one StorageError."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full; free some space and run the same command again",
            errno.EDQUOT: "the disk quota is used up; free some space and run the same command again",
            errno.EROFS: "the file system is read-only; choose another output",
            errno.EACCES: "permission denied; choose another output",
            errno.EPERM: "permission denied; choose another output",
            errno.ENOTDIR: "a part of its path is a file; choose another output",
            errno.ENAMETOOLONG: "the name is too long; choose another output",
            errno.EIO: "the disk fails; check it, or choose another output",
            errno.ESTALE: "the disk is gone; check its mount and run the same command again",
            errno.ENODEV: "the disk is gone; check its mount and run the same command again",
        }
        if error.errno not in reasons:
            raise
        raise StorageError(f"cannot write {path}: {reasons[error.errno]}") from error


@contextmanager
def whole_file(path: str | os.PathLike[str], *, force: bool) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an error."""
    out = Path(path)
    require_free(out, force=force)
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            partial.replace(out)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | os.PathLike[str], *, force: bool) -> Iterator[Path]:
    """Yield a temporary folder beside ``path`` that takes its place when the block ends without an error."""
    out = Path(path)
    require_free(out, force=force)
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    with storage_errors(out):
        try:
            partial.mkdir(parents=True)
            yield partial
            claim_output(out, force=force)
            partial.replace(out)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def require_free(path: str | os.PathLike[str], *, force: bool) -> None:
    """Refuse an output that exists before hours of work rather than after, unless ``force``."""
    if Path(path).exists() and not force:
        raise OutputExistsError(f"{path} exists already; use --force (force=True) to replace it")
