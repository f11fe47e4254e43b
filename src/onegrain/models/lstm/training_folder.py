"""The output folder of a training, from which an interrupted run can be resumed.

While a training runs, all its files are in ``.training``: ``run.json`` describes the training, and each
checkpoint is described by ``training_checkpoints.py``. The files of the model are written at the end,
``training.json`` last. A folder with ``training.json`` holds a trained model, even if parts of ``.training``
remain.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from onegrain.core.durable import make_folder, sync_folder
from onegrain.core.output import storage_errors
from onegrain.errors import AlreadyDoneError, MismatchError, OutputExistsError, RecordError, StorageError
from onegrain.models.lstm.training_checkpoints import Checkpoint, Checkpoints
from onegrain.models.lstm.training_files import (
    FINAL,
    FROM_CHECKPOINT,
    IDENTITY,
    LAYOUT,
    LOCK,
    MODEL_FILES,
    RECORD,
    RUN,
    WORK,
    damaged_file,
    digest,
    read_entries,
    write_whole,
)

__all__ = ["TrainingFolder", "differences"]


class TrainingFolder:
    """The output folder of one training.

    Args:
        out: the model folder.
        identity: the settings that a run must share with the run that it resumes: kind, version, options and
            corpora.
    """

    def __init__(self, out: Path, identity: dict[str, Any]) -> None:
        self.out = out
        self.identity = identity
        self.work = out / WORK
        self._checkpoints = Checkpoints(self.work, identity)

    @contextmanager
    def claimed(self, *, force: bool) -> Iterator[None]:
        """Reserve the folder for this training inside a ``with`` block.

        Raises:
            AlreadyDoneError: this training has finished in the folder.
            RecordError: it has finished, but a file of the model is damaged.
            OutputExistsError: the folder holds another trained model, or files that training did not write.
            MismatchError: the folder holds an unfinished training with other options or corpora.
            StorageError: another process is training in the folder, or it cannot be written to.
        """
        self._require_claimable(force=force)
        if not force and read_entries(self.out / RECORD, IDENTITY) == self.identity:
            self._require_undamaged()
            self._clear_work()
            raise AlreadyDoneError(
                f"{self.out} holds a trained model, made with the same options and corpora; nothing is left"
            )
        with storage_errors(self.out):
            make_folder(self.work)
        with _locked(self.work):
            with storage_errors(self.out):
                self._begin(force=force)
            yield

    def newest(self) -> Checkpoint | None:
        """Return the newest complete checkpoint, and remove all others except the best one up to it."""
        return self._checkpoints.newest()

    def complete(self, step: int, best: int, *, finished: bool) -> None:
        """Mark the checkpoint of a step as complete, and remove those that are no longer needed."""
        if not (self.work / RUN).is_file():
            raise StorageError(f"{self.out} was moved or deleted while the training wrote to it; run it again")
        self._checkpoints.complete(step, best, finished=finished)

    @contextmanager
    def finishing(self, checkpoint: Checkpoint, record: dict[str, Any]) -> Iterator[Path]:
        """Yield a folder for further files of the model; move them and the best weights to their places.

        ``training.json``, which holds the record, is written last.
        """
        final = self.work / FINAL
        shutil.rmtree(final, ignore_errors=True)
        final.mkdir()
        for name in FROM_CHECKPOINT:
            if (checkpoint.best / name).is_file():
                shutil.copyfile(checkpoint.best / name, final / name)
        yield final
        files = {path.name: digest(path) for path in sorted(final.iterdir())}
        for name in files:
            (final / name).replace(self.out / name)
        sync_folder(self.out)
        content = {"record": "training", **record, "files": files}
        write_whole(self.out / RECORD, json.dumps(content, indent=2, sort_keys=True) + "\n")
        self._clear_work()

    def _require_claimable(self, *, force: bool) -> None:
        """Raise an error if the folder has content that this training may neither resume nor replace."""
        out = self.out
        if not out.exists() and not out.is_symlink():
            return
        if not out.is_dir():
            raise OutputExistsError(f"{out} exists already and is not a folder; choose another output")
        run, trained = read_entries(self.work / RUN, IDENTITY), read_entries(out / RECORD, IDENTITY)
        if run is None and (self.work / RUN).exists():
            raise RecordError(f"{self.work / RUN} is damaged; remove {self.work} to train from the start")
        if run is None and trained is None:
            self._require_empty()
            return
        if force:
            foreign = LAYOUT.foreign(out)
            if foreign:
                raise OutputExistsError(
                    f"{out} exists already and holds {foreign[0]}, which training did not write; "
                    "move it away or choose another output"
                )
        elif run is not None and run not in (self.identity, trained):
            raise MismatchError(
                f"{out} holds an unfinished training with other options or corpora "
                f"({differences(run, self.identity)}); repeat its options to continue it, or use --force "
                "(force=True) to start over"
            )
        elif trained is not None and trained != self.identity and run in (None, trained):
            raise OutputExistsError(
                f"{out} holds a trained model, made with other options or corpora "
                f"({differences(trained, self.identity)}); use --force (force=True) to replace it"
            )

    def _require_empty(self) -> None:
        """Raise an error unless the folder is empty or has only the files of a run killed before it began."""
        begun = {LOCK, f".{RUN}.partial"}
        for path in sorted(self.out.iterdir()):
            leftover = path.name == WORK and path.is_dir() and {p.name for p in path.iterdir()} <= begun
            if not leftover:
                raise OutputExistsError(
                    f"{self.out} exists already and holds {path.name}, which is not of a training; "
                    "choose another output"
                )

    def _require_undamaged(self) -> None:
        """Raise RecordError if a file of the trained model does not match its checksum."""
        damaged = damaged_file(self.out)
        if damaged is not None:
            raise RecordError(
                f"{self.out / damaged} is damaged or missing: its checksum is not the one in {RECORD}; "
                "use --force (force=True) to train the model again"
            )

    def _begin(self, *, force: bool) -> None:
        """Write the description of this training, and remove the files of an earlier one."""
        earlier = read_entries(self.work / RUN, IDENTITY)
        if earlier != self.identity:
            write_whole(self.work / RUN, json.dumps(self.identity, sort_keys=True))
        (self.out / RECORD).unlink(missing_ok=True)
        if force or earlier != self.identity:
            self._checkpoints.remove(keep=())
        for name in MODEL_FILES:
            (self.out / name).unlink(missing_ok=True)

    def _clear_work(self) -> None:
        """Remove the files of training from its work folder, and the folder if it is empty then."""
        if not self.work.is_dir():
            return
        with storage_errors(self.out):
            self._checkpoints.remove(keep=())
            shutil.rmtree(self.work / FINAL, ignore_errors=True)
            for name in (RUN, f".{RUN}.partial", LOCK):
                (self.work / name).unlink(missing_ok=True)
            with suppress(OSError):
                self.work.rmdir()


def differences(stored: dict[str, Any], requested: dict[str, Any]) -> str:
    """Return the differences between two descriptions of a training, as text."""
    first, second = _flat(stored), _flat(requested)
    names = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    shown = [f"{name}: {first.get(name)} there, {second.get(name)} here" for name in names[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Hold the lock of a training inside a ``with`` block; the system releases it if the process is killed."""
    with storage_errors(work), (work / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(
                f"another process is training into {work.parent}; wait for it or choose another output"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
