"""Keep a store in a folder on this machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from zarr.storage import LocalStore

from onegrain.activations.store.journal import JOURNAL, Mark, Tally
from onegrain.activations.store.layout import MANIFEST, is_leftover
from onegrain.activations.store.places.direct_io import write_file
from onegrain.activations.store.places.folder import Folder, Release
from onegrain.core.durable import make_folder, sync_file, sync_folder
from onegrain.core.output import require_writable_output
from onegrain.core.storage import storage_errors
from onegrain.errors import OutputExistsError, ParameterError, StorageError

__all__ = ["LocalFolder"]

MARKS = (MANIFEST, JOURNAL)
"""Files by which a store is recognised; their content is synced before they are renamed."""
SYNCING = 8
"""Number of files that are synced in parallel, which takes hardly longer than syncing one."""
PIECE_BYTES = 8 * 2**20


class LocalFolder(Folder):
    """A folder on this machine.

    Args:
        path: path of the folder, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: os.stat_result | None = None
        self._guard = Lock()
        self._unsynced: set[Path] = set()
        self._changed: set[Path] = set()

    def __reduce__(self) -> tuple[type[LocalFolder], tuple[Path]]:
        """Pickle only the path: another process does not hold the lock or sync what this process wrote."""
        return LocalFolder, (self._path,)

    @property
    def place(self) -> Path:
        """The path."""
        return self._path

    def require_usable(self) -> None:
        """Check that the folder can be created or locked; see :class:`Folder` for the errors."""
        if not self._path.name or self._path.name == "..":
            raise ParameterError(
                f"{self} does not name a store; expected the path of a new folder, such as words.zarr"
            )
        self._refuse_file()
        if self._path.is_dir():
            self.hold()()
        else:
            require_writable_output(self._path, force=False)

    def exists(self) -> bool:
        """Return True if the path exists, as a folder or a file."""
        return self._path.exists()

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file, or None if it does not exist."""
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(
                f"cannot read {self._path / name}: {error.strerror}; check the disk and your permissions"
            ) from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """Return the bytes of several files by name."""
        return {name: self.read(name) for name in names}

    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Write to a temporary file in the same folder, then rename it; marks are synced before that."""
        path = self._path / name
        partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
        with storage_errors(self._path):
            self._require_in_place()
            self._make_folder(path.parent)
            try:
                write_file(partial, [data] if isinstance(data, bytes) else data)
                if name in MARKS:
                    sync_file(partial)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            with self._guard:
                self._changed.add(path.parent)
                if name not in MARKS:
                    self._unsynced.add(path)

    def _make_folder(self, path: Path) -> None:
        """Create the folder of a file, and note the parents of new folders for the next sync."""
        missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
        path.mkdir(parents=True, exist_ok=True)
        with self._guard:
            self._changed.update(folder.parent for folder in missing)

    def sync(self) -> None:
        """Sync the files written since the last call, then the folders that hold their names."""
        with self._guard:
            files, folders = sorted(self._unsynced), sorted(self._changed)
            self._unsynced, self._changed = set(), set()
        with storage_errors(self._path), ThreadPoolExecutor(SYNCING) as threads:
            list(threads.map(sync_file, files))
            list(threads.map(sync_folder, folders))

    def holds(self, name: str, mark: Mark) -> bool:
        """Return True if the size and checksum of a file, which is read completely, equal a mark."""
        path, tally = self._path / name, Tally()
        try:
            if path.stat().st_size != mark.size:
                return False
            with path.open("rb", buffering=0) as file:
                while piece := file.read(PIECE_BYTES):
                    tally.add(piece)
        except OSError:
            return False
        return tally.mark == mark

    def first_file(self, besides: Sequence[str] = ()) -> str | None:
        """Return the first file found by walking the folder, without leftovers and those in ``besides``."""
        with storage_errors(self._path):
            for folder, below, names in os.walk(self._path):
                links = [name for name in below if os.path.islink(os.path.join(folder, name))]
                for file in (*names, *links):
                    name = Path(folder, file).relative_to(self._path).as_posix()
                    if name not in besides and not is_leftover(file):
                        return name
        return None

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        return sorted(
            path.relative_to(self._path).as_posix() for path in self._path.rglob("*") if not path.is_dir()
        )

    def remove(self, name: str) -> None:
        """Remove a file and the folders that become empty."""
        path = self._path / name
        with storage_errors(self._path):
            self._require_in_place()
            path.unlink()
            with self._guard:
                self._unsynced.discard(path)
                self._changed.add(path.parent)
            for parent in path.parents:
                if parent == self._path or any(parent.iterdir()):
                    return
                parent.rmdir()
                with self._guard:
                    self._changed.discard(parent)
                    self._changed.add(parent.parent)

    def array_store(self, name: str) -> LocalStore:
        """Return the read-only Zarr store whose root is the array of that name."""
        return LocalStore(self._path / name, read_only=True)

    def hold(self) -> Release:
        """Create the folder if it does not exist, and lock it; a disk without locks is used without one."""
        self._refuse_file()
        with storage_errors(self._path):
            descriptor = self._open_locked()
            self._held = os.fstat(descriptor)
        descriptors = [descriptor]

        def release(*, drop: bool = False) -> None:
            if descriptors:
                self._held = None
                if drop:
                    self._drop()
                os.close(descriptors.pop())

        return release

    def _open_locked(self) -> int:
        """Return a descriptor of the locked folder; retry if the folder is removed before it is locked."""
        while True:
            make_folder(self._path)
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                raise OutputExistsError(
                    f"another writer is at work on {self}; wait until it is done, or choose another output"
                ) from None
            except OSError:
                return descriptor
            if self._path.is_dir() and os.path.samestat(os.fstat(descriptor), self._path.stat()):
                return descriptor
            os.close(descriptor)

    def _drop(self) -> None:
        """Remove the folder and its subfolders if they are empty."""
        folders = [path for path in self._path.rglob("*") if path.is_dir() and not path.is_symlink()]
        for folder in [*sorted(folders, reverse=True), self._path]:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _require_in_place(self) -> None:
        """Raise StorageError if the folder was moved or removed since it was locked."""
        if self._held is None:
            return
        try:
            moved = not os.path.samestat(self._path.stat(), self._held)
        except (FileNotFoundError, NotADirectoryError):
            moved = True
        if moved:
            raise StorageError(
                f"cannot write {self}: the folder was moved or removed while onegrain wrote in it; move it "
                "back and run the same command again to resume it, or just run it again to start over"
            )

    def _refuse_file(self) -> None:
        with storage_errors(self._path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._path.stat()  # raises for impossible file names and for circular links
        if not self._path.is_dir() and (self._path.exists() or self._path.is_symlink()):
            raise OutputExistsError(f"{self} is a file; a store is a folder, choose another output")
