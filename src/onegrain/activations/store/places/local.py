"""A store in a folder of this machine."""

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
"""The files by which a store is recognised; their content is on the disk before they have their names."""
SYNCING = 8
"""Files that are synced at once: a disk syncs many in hardly more time than one."""
PIECE_BYTES = 8 * 2**20


class LocalFolder(Folder):
    """A folder of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: os.stat_result | None = None
        self._guard = Lock()
        self._unsynced: set[Path] = set()
        self._changed: set[Path] = set()

    def __reduce__(self) -> tuple[type[LocalFolder], tuple[Path]]:
        """Pickle the path alone: another process holds and syncs nothing that this one wrote."""
        return LocalFolder, (self._path,)

    @property
    def place(self) -> Path:
        """The path."""
        return self._path

    def require_usable(self) -> None:
        """Refuse a file in the folder's place, a place that takes no folder, and another writer's."""
        if not self._path.name or self._path.name == "..":
            raise ParameterError(
                f"{self} names no store; expected the path of a new folder, such as words.zarr"
            )
        self._refuse_file()
        if self._path.is_dir():
            self.hold()()
        else:
            require_writable_output(self._path, force=False)

    def exists(self) -> bool:
        """Whether a folder or file is there."""
        return self._path.exists()

    def read(self, name: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageError(
                f"cannot read {self._path / name}: {error.strerror}; check the disk and your rights"
            ) from error

    def read_all(self, names: Sequence[str]) -> dict[str, bytes | None]:
        """The bytes of some files."""
        return {name: self.read(name) for name in names}

    def write(self, name: str, data: bytes | Iterator[memoryview]) -> None:
        """Write a file beside its place and move it there; the content is synced before the name."""
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
        """Make the folder of a file; the folders that got a new name in them are to be synced."""
        missing = [folder for folder in (path, *path.parents) if not folder.is_dir()]
        path.mkdir(parents=True, exist_ok=True)
        with self._guard:
            self._changed.update(folder.parent for folder in missing)

    def sync(self) -> None:
        """Sync the content of the files written since the last time, then the folders that hold their names."""
        with self._guard:
            files, folders = sorted(self._unsynced), sorted(self._changed)
            self._unsynced, self._changed = set(), set()
        with storage_errors(self._path), ThreadPoolExecutor(SYNCING) as threads:
            list(threads.map(sync_file, files))
            list(threads.map(sync_folder, folders))

    def holds(self, name: str, mark: Mark) -> bool:
        """Read a file whole, and compare it with its mark."""
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
        """The first file that a walk comes upon."""
        with storage_errors(self._path):
            for folder, below, names in os.walk(self._path):
                links = [name for name in below if os.path.islink(os.path.join(folder, name))]
                for file in (*names, *links):
                    name = Path(folder, file).relative_to(self._path).as_posix()
                    if name not in besides and not is_leftover(file):
                        return name
        return None

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(
            path.relative_to(self._path).as_posix() for path in self._path.rglob("*") if not path.is_dir()
        )

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
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
        """The read-only Zarr store whose root is the array of that name."""
        return LocalStore(self._path / name, read_only=True)

    def hold(self) -> Release:
        """Lock the folder, which is made where it is not there; without effect on a disk without locks."""
        self._refuse_file()
        with storage_errors(self._path):
            descriptor = self._locked()
            self._held = os.fstat(descriptor)
        held = [descriptor]

        def release(*, drop: bool = False) -> None:
            if held:
                self._held = None
                if drop:
                    self._drop()
                os.close(held.pop())

        return release

    def _locked(self) -> int:
        """The folder, opened and locked; again where it was removed between the two."""
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
        """Remove the folder and the folders in it, as far as they are empty."""
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
                "back and run the same command again to go on, or run it as it is to begin anew"
            )

    def _refuse_file(self) -> None:
        with storage_errors(self._path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            self._path.stat()  # raises for names that no file can have, and where links lead in a circle
        if not self._path.is_dir() and (self._path.exists() or self._path.is_symlink()):
            raise OutputExistsError(f"{self} is a file; a store is a folder, choose another output")
