"""Outputs are checked before the work and appear complete or not at all, also after a power cut.

Nothing that onegrain did not write is ever removed: ``force`` replaces what is recognised by its content
(:mod:`onegrain.core.recognition`) and refuses everything else.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from onegrain.core.durable import make_folder, replace_durably, sync_file, sync_tree
from onegrain.core.partial import partial_beside, sweep_leftovers
from onegrain.core.recognition import Layout, is_written_by_onegrain
from onegrain.core.storage import storage_errors
from onegrain.errors import OutputExistsError, ParameterError, StorageError

__all__ = [
    "Layout",
    "claim_output",
    "is_written_by_onegrain",
    "require_free",
    "require_writable_output",
    "storage_errors",
    "whole_file",
    "whole_folder",
]

PROBE = ".onegrain-probe-"
Ours = Callable[[Path], bool] | Layout
"""The test that recognises an existing output: of a file's content, or of a folder's layout."""


def require_writable_output(
    path: str | os.PathLike[str],
    *,
    force: bool,
    suffixes: Sequence[str] = (),
    ours: Ours = is_written_by_onegrain,
) -> Path:
    """Return the path of an output that can be written, before any work is done; leave nothing behind.

    Args:
        path: the file or folder to write; missing folders above it will be made.
        force: replace what onegrain wrote there.
        suffixes: the endings that its name may have, such as ``(".parquet",)``; empty for any.
        ours: test that recognises an existing output; a :class:`Layout` says that the output is a folder.

    Raises:
        ParameterError: a name that no file can have, or another ending.
        OutputExistsError: something is there already that must not be replaced.
        StorageError: no file can be made there: no rights, no such place, a name that is too long.
    """
    out = Path(path)
    if not out.name or out.name == "..":
        raise ParameterError(f"{os.fspath(path)!r} names no output; expected the path of a file or folder")
    if suffixes and out.suffix not in suffixes:
        raise ParameterError(f"{out}: the name of this output ends in {' or '.join(suffixes)}")
    with storage_errors(out):
        target = _followed(out)
        require_free(out, force=force, ours=ours)
        above = next(folder for folder in target.parents if folder.exists())
        if not above.is_dir():
            raise NotADirectoryError(20, os.strerror(20), str(above))
        longest = os.pathconf(above, "PC_NAME_MAX")
        for part in target.relative_to(above).parts:
            if len(os.fsencode(part)) > longest:
                raise StorageError(
                    f"cannot write {_shortened(out)}: the name is too long; choose another output"
                )
        for leftover in (*above.glob(f"{PROBE}*"), Path(tempfile.mkdtemp(prefix=PROBE, dir=above))):
            with suppress(OSError):  # another process may remove it first
                leftover.rmdir()
    return out


def require_free(path: str | os.PathLike[str], *, force: bool, ours: Ours = is_written_by_onegrain) -> None:
    """Check that an output is not there already or, with ``force``, that onegrain wrote what is there.

    Raises:
        OutputExistsError: it is there without ``force``, or onegrain did not write it.
    """
    out = Path(path)
    with storage_errors(out):
        target = _followed(out)
        sweep_leftovers(target)
        if not os.path.lexists(target):
            return
        if not force:
            raise OutputExistsError(f"{out} exists already; use --force (force=True) to replace it")
        if isinstance(ours, Layout):
            _require_layout(out, target, ours)
        elif target.is_dir():
            raise OutputExistsError(f"{out} is a folder, and the output is a file; choose another output")
        elif not ours(target):
            raise OutputExistsError(
                f"{out} is not a file that onegrain wrote, so --force (force=True) does not replace it; remove "
                "it yourself, or choose another output"
            )


def claim_output(path: str | os.PathLike[str], *, force: bool, ours: Ours = is_written_by_onegrain) -> Path:
    """Return the path, ready to be written: what onegrain wrote there is removed with ``force``.

    Raises:
        OutputExistsError: see :func:`require_free`.
        StorageError: it cannot be removed, or the folders above it cannot be made.
    """
    out = Path(path)
    require_free(out, force=force, ours=ours)
    with storage_errors(out):
        target = _followed(out)
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        make_folder(target.parent)
    return out


@contextmanager
def whole_file(
    path: str | os.PathLike[str], *, force: bool, ours: Callable[[Path], bool] = is_written_by_onegrain
) -> Iterator[Path]:
    """Yield a path to write to; the file takes its place, synced to disk, when the block ends without an error.

    Raises:
        OutputExistsError: see :func:`require_free`.
        StorageError: the disk refuses the file.
    """
    out = Path(path)
    require_free(out, force=force, ours=ours)
    with storage_errors(out):
        target = _followed(out)
        make_folder(target.parent)
        with partial_beside(target) as partial:
            yield partial
            sync_file(partial)
            require_free(out, force=force, ours=ours)
            replace_durably(partial, target)


@contextmanager
def whole_folder(path: str | os.PathLike[str], *, force: bool, ours: Layout) -> Iterator[Path]:
    """Yield a new folder that takes its place, synced to the disk, when the block ends without an error.

    Raises:
        OutputExistsError: see :func:`require_free`.
        StorageError: the disk refuses the folder or a file in it.
    """
    out = Path(path)
    require_free(out, force=force, ours=ours)
    with storage_errors(out):
        target = _followed(out)
        make_folder(target.parent)
        with partial_beside(target) as partial:
            partial.mkdir()
            yield partial
            sync_tree(partial)
            require_free(out, force=force, ours=ours)
            with suppress(FileNotFoundError):
                target.rename(partial.with_name(".replaced"))
            replace_durably(partial, target)


def _require_layout(out: Path, target: Path, layout: Layout) -> None:
    """Check that onegrain wrote a folder and that it holds no other files."""
    if not target.is_dir():
        raise OutputExistsError(f"{out} is a file, and the output is a folder; choose another output")
    foreign = layout.foreign(target)
    if not foreign and not any(target.iterdir()):
        return
    if not layout.marks(target):
        raise OutputExistsError(
            f"{out} is a folder that onegrain did not write as {layout.what}, so --force (force=True) does not "
            "replace it; remove it yourself, or choose another output"
        )
    if foreign:
        raise OutputExistsError(
            f"{out} holds {foreign[0]}, which is not part of {layout.what}, so --force (force=True) does not "
            "replace the folder; move that file away, or choose another output"
        )


def _followed(out: Path) -> Path:
    """Return the path to write to: the target of an output that is a symbolic link, else the output."""
    if "\0" in str(out):
        raise ValueError("embedded null byte")
    if not out.is_symlink():
        return out
    with suppress(FileNotFoundError):
        out.stat()  # raises where links lead in a circle, which realpath passes by
    return Path(os.path.realpath(out))


def _shortened(path: Path) -> str:
    text = str(path)
    return text if len(text) <= 80 else f"{text[:40]}...{text[-20:]}"
