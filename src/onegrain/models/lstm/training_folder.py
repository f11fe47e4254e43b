"""The output folder of a training, from which an interrupted run can be resumed.

While a training runs, all its files are in ``.training``: ``run.json`` describes the training, and each
checkpoint contains ``whole.json``, written last, with the checksums of its files. The files of the model are
written at the end, ``training.json`` last. A folder with ``training.json`` holds a trained model, even if parts
of ``.training`` remain.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onegrain.core.durable import make_folder, replace_durably, sync_file, sync_folder
from onegrain.core.output import Layout, storage_errors
from onegrain.errors import AlreadyDoneError, MismatchError, OutputExistsError, RecordError, StorageError

__all__ = ["LAYOUT", "Checkpoint", "TrainingFolder", "differences", "is_trained"]

WORK = ".training"
RECORD = "training.json"
RUN = "run.json"
MARK = "whole.json"
LOCK = "lock"
FINAL = "final"
FROM_CHECKPOINT = ("config.json", "generation_config.json", "model.safetensors")
MODEL_FILES = (*FROM_CHECKPOINT, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
IDENTITY = ("kind", "version", "options", "corpora")
LAYOUT = Layout(
    "a trained model",
    lambda folder: (_read(folder / RECORD, IDENTITY) or _read(folder / WORK / RUN, IDENTITY)) is not None,
    (
        *MODEL_FILES,
        *(RECORD, f".{RECORD}.partial"),
        *(f"{WORK}/{name}" for name in (RUN, f".{RUN}.partial", LOCK, f"{FINAL}/*", "checkpoint-*/*")),
    ),
)
CHECKPOINT = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files all match their checksums.

    Attributes:
        path: the folder of the checkpoint.
        best: the folder of the checkpoint with the lowest validation loss up to this one.
        finished: True if training ended with this checkpoint.
    """

    path: Path
    best: Path
    finished: bool


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
        if not force and _read(self.out / RECORD, IDENTITY) == self.identity:
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
        folders = sorted(self._checkpoints(), key=_step, reverse=True)
        chosen = None
        for folder in folders:
            mark = self._mark(folder)
            if mark is None:
                continue
            best = folder.with_name(f"checkpoint-{mark['best']}")
            if best == folder or self._mark(best) is not None:
                chosen = Checkpoint(folder, best, bool(mark["finished"]))
                break
        self._remove_checkpoints(keep=() if chosen is None else (chosen.path, chosen.best))
        return chosen

    def complete(self, step: int, best: int, *, finished: bool) -> None:
        """Mark the checkpoint of a step as complete, and remove those that are no longer needed."""
        if not (self.work / RUN).is_file():
            raise StorageError(f"{self.out} was moved or deleted while the training wrote to it; run it again")
        folder = self.work / f"checkpoint-{step}"
        files = {path.name: _digest(path) for path in sorted(folder.iterdir())}
        mark = {"run": self._run_hash(), "files": files, "best": best, "finished": finished}
        _write(folder / MARK, json.dumps(mark, sort_keys=True))
        sync_folder(self.work)
        self._remove_checkpoints(keep=(folder, folder.with_name(f"checkpoint-{best}")))

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
        files = {path.name: _digest(path) for path in sorted(final.iterdir())}
        for name in files:
            (final / name).replace(self.out / name)
        sync_folder(self.out)
        content = {"record": "training", **record, "files": files}
        _write(self.out / RECORD, json.dumps(content, indent=2, sort_keys=True) + "\n")
        self._clear_work()

    def _require_claimable(self, *, force: bool) -> None:
        """Raise an error if the folder has content that this training may neither resume nor replace."""
        out = self.out
        if not out.exists() and not out.is_symlink():
            return
        if not out.is_dir():
            raise OutputExistsError(f"{out} exists already and is not a folder; choose another output")
        run, trained = _read(self.work / RUN, IDENTITY), _read(out / RECORD, IDENTITY)
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
        damaged = _damaged(self.out)
        if damaged is not None:
            raise RecordError(
                f"{self.out / damaged} is damaged or missing: its checksum is not the one in {RECORD}; "
                "use --force (force=True) to train the model again"
            )

    def _begin(self, *, force: bool) -> None:
        """Write the description of this training, and remove the files of an earlier one."""
        earlier = _read(self.work / RUN, IDENTITY)
        if earlier != self.identity:
            _write(self.work / RUN, json.dumps(self.identity, sort_keys=True))
        (self.out / RECORD).unlink(missing_ok=True)
        if force or earlier != self.identity:
            self._remove_checkpoints(keep=())
        for name in MODEL_FILES:
            (self.out / name).unlink(missing_ok=True)

    def _run_hash(self) -> str:
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def _checkpoints(self) -> list[Path]:
        return [path for path in self.work.iterdir() if CHECKPOINT.fullmatch(path.name) and path.is_dir()]

    def _mark(self, folder: Path) -> dict[str, Any] | None:
        """Return a checkpoint's mark if it belongs to this training and all files match their checksums."""
        mark = _read(folder / MARK, ("run", "files", "best", "finished"))
        if mark is None or mark["run"] != self._run_hash() or type(mark["best"]) is not int:
            return None
        return mark if _first_damaged(folder, mark["files"]) is None else None

    def _remove_checkpoints(self, *, keep: tuple[Path, ...]) -> None:
        for folder in self._checkpoints():
            if folder not in keep:
                (folder / MARK).unlink(missing_ok=True)
                shutil.rmtree(folder)

    def _clear_work(self) -> None:
        """Remove the files of training from its work folder, and the folder if it is empty then."""
        if not self.work.is_dir():
            return
        with storage_errors(self.out):
            self._remove_checkpoints(keep=())
            shutil.rmtree(self.work / FINAL, ignore_errors=True)
            for name in (RUN, f".{RUN}.partial", LOCK):
                (self.work / name).unlink(missing_ok=True)
            with suppress(OSError):
                self.work.rmdir()


def is_trained(folder: str | os.PathLike[str]) -> bool:
    """Return True if a training has finished in this folder and its files match their checksums."""
    out = Path(folder)
    return _read(out / RECORD, IDENTITY) is not None and _damaged(out) is None


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


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _read(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """Return these entries of a JSON file, or None if it is missing or of another kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not set(keys) <= set(content):
        return None
    return {key: content[key] for key in keys}


def _damaged(out: Path) -> str | None:
    """Return the name of a file of a trained model that does not match its checksum, or None."""
    record = _read(out / RECORD, ("files",))
    if record is None:  # before 0.2 there were no checksums
        return None if (out / "model.safetensors").is_file() else "model.safetensors"
    return _first_damaged(out, record["files"])


def _first_damaged(folder: Path, files: Any) -> str | None:
    """Return the name of the first file that does not match its recorded checksum, or None.

    An entry that is not the name of a file directly in the folder counts as damaged, and is not opened.
    """
    if not isinstance(files, dict):
        return RECORD
    for name, digest in files.items():
        if Path(name).name != name or "\0" in name or not _verifies(folder / name, digest):
            return name
    return None


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, after flushing its content to the disk."""
    sync_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verifies(path: Path, digest: object) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == digest
    except OSError:
        return False


def _write(path: Path, text: str) -> None:
    """Write a small file completely or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        sync_file(partial)
        replace_durably(partial, path)
    finally:
        partial.unlink(missing_ok=True)


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
