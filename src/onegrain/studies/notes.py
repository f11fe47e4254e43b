"""What a study notes of each step: the recipe of its record, and the record's checksum when it was done.

A note lies in ``.steps`` and has a checksum itself. A record is used again only where its note says that the
same recipe made it, and the record still is as it was then; else the step is done again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from onegrain.activations import open_activations
from onegrain.activations.store.layout import MANIFEST
from onegrain.activations.store.places.locate import folder_at
from onegrain.activations.store.writer import require_writable
from onegrain.core.durable import make_folder
from onegrain.core.output import require_free, storage_errors
from onegrain.core.partial import sweep_leftovers
from onegrain.core.sealing import read_sealed_json, write_sealed_json
from onegrain.errors import OutputExistsError, RecordError
from onegrain.models import is_trained
from onegrain.models.lstm.training_folder import LAYOUT
from onegrain.studies.plan import Step

__all__ = ["begin_step", "finish_step", "is_done", "sweep_study"]

NOTES = ".steps"
DISCARDED = ".discarded-by-onegrain"
KIND = "study step"


def is_done(folder: Path, step: Step, fingerprint: str) -> bool:
    """Return True if a step's record was made by the same recipe and is as it was when the step ended."""
    note = _read(folder, step)
    if note is None or note.get("fingerprint") != fingerprint or note.get("output") is None:
        return False
    output = folder / step.output
    if note["output"] != _digest(step, output):
        return False
    if step.stage == "train":
        return is_trained(output)
    if step.stage == "extract":
        try:
            open_activations(output)
        except RecordError:
            return False
    return True


def begin_step(folder: Path, step: Step, fingerprint: str) -> None:
    """Clear away what another recipe made, or what is damaged; leave what this recipe began, to be resumed.

    Raises:
        OutputExistsError: a file or folder in the record's place is not a record of onegrain.
    """
    note = _read(folder, step)
    if note is not None and note.get("fingerprint") == fingerprint and note.get("output") is None:
        return
    _discard(folder, step)
    _write(folder, step, {"fingerprint": fingerprint, "output": None})


def finish_step(folder: Path, step: Step, fingerprint: str) -> None:
    """Note that a step is done, and what its record is like."""
    _write(folder, step, {"fingerprint": fingerprint, "output": _digest(step, folder / step.output)})


def sweep_study(folder: Path, steps: Iterable[Step]) -> None:
    """Remove what a killed run left: partial records and notes, and what it was about to remove."""
    _remove_discarded(folder)
    for step in steps:
        sweep_leftovers(folder / step.output)
        sweep_leftovers(_note(folder, step))


def _remove_discarded(folder: Path) -> None:
    with storage_errors(folder):
        shutil.rmtree(folder / NOTES / DISCARDED, ignore_errors=True)


def _discard(folder: Path, step: Step) -> None:
    """Remove a step's output, which onegrain must have written; it leaves its place in one piece."""
    output = folder / step.output
    if not output.exists() and not output.is_symlink():
        return
    try:
        if step.stage == "train":
            require_free(output, force=True, ours=LAYOUT)
        elif step.stage == "extract":
            require_writable(folder_at(output), force=True)
        else:
            require_free(output, force=True)
    except OutputExistsError as error:
        raise OutputExistsError(
            f"the study writes {output}, but what is there is not its record: {error}"
        ) from None
    with storage_errors(output):
        _remove_discarded(folder)
        discarded = folder / NOTES / DISCARDED
        make_folder(discarded)
        output.rename(discarded / output.name)
        shutil.rmtree(discarded)


def _digest(step: Step, output: Path) -> str | None:
    """Return the SHA-256 of a record's file; of a folder that of the file which says what all others hold."""
    file = {"train": output / "training.json", "extract": output / MANIFEST}.get(step.stage, output)
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None


def _note(folder: Path, step: Step) -> Path:
    return folder / NOTES / (step.output.replace("/", "--") + ".txt")


def _read(folder: Path, step: Step) -> dict[str, Any] | None:
    """Return a step's note; None where it is missing or damaged."""
    try:
        return read_sealed_json(_note(folder, step), KIND)
    except RecordError:
        return None


def _write(folder: Path, step: Step, content: dict[str, Any]) -> None:
    path = _note(folder, step)
    with storage_errors(path):
        make_folder(path.parent)
        path.unlink(missing_ok=True)
    write_sealed_json(path, {"record": KIND, **content}, force=False)
