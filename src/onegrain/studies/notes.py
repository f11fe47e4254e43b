"""The notes of a study's steps: the fingerprint of each record's recipe, and the finished record's checksum.

A note is a file in ``.steps`` and has a checksum itself. A record is used again only if its note has the same
fingerprint and the record is unchanged; otherwise the step is done again.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from onegrain.core.durable import make_folder
from onegrain.core.output import storage_errors
from onegrain.core.partial import sweep_leftovers
from onegrain.core.sealing import read_sealed_json, write_sealed_json
from onegrain.errors import OutputExistsError, RecordError
from onegrain.studies.stages.stage import Step

__all__ = ["begin_step", "finish_step", "is_done", "sweep_study"]

NOTES = ".steps"
DISCARDED = ".discarded-by-onegrain"
KIND = "study step"


def is_done(folder: Path, step: Step, fingerprint: str) -> bool:
    """Return True if a step's record was made by the same recipe and is unchanged since the step ended."""
    note = _read(folder, step)
    if note is None or note.get("fingerprint") != fingerprint or note.get("output") is None:
        return False
    output = folder / step.output
    return note["output"] == _digest(step, output) and step.stage.output.is_complete(output)


def begin_step(folder: Path, step: Step, fingerprint: str) -> None:
    """Remove an output that is damaged or that another recipe made; keep one that this recipe began.

    Raises:
        OutputExistsError: a file or folder with the record's name is not a record of onegrain.
    """
    note = _read(folder, step)
    if note is not None and note.get("fingerprint") == fingerprint and note.get("output") is None:
        return
    _discard(folder, step)
    _write(folder, step, {"fingerprint": fingerprint, "output": None})


def finish_step(folder: Path, step: Step, fingerprint: str) -> None:
    """Note that a step is done, with the checksum of its record."""
    _write(folder, step, {"fingerprint": fingerprint, "output": _digest(step, folder / step.output)})


def sweep_study(folder: Path, steps: Iterable[Step]) -> None:
    """Remove what a killed run left: partial records and notes, and outputs that it was removing."""
    _remove_discarded(folder)
    for step in steps:
        sweep_leftovers(folder / step.output)
        sweep_leftovers(_note(folder, step))


def _remove_discarded(folder: Path) -> None:
    with storage_errors(folder):
        shutil.rmtree(folder / NOTES / DISCARDED, ignore_errors=True)


def _discard(folder: Path, step: Step) -> None:
    """Remove a step's output if onegrain wrote it; it is moved away first, so that no part of it stays."""
    output = folder / step.output
    if not output.exists() and not output.is_symlink():
        return
    try:
        step.stage.output.require_ours(output)
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
    """Return the SHA-256 of the file that stands for a step's output; None if it cannot be read."""
    try:
        with step.stage.output.sealing_file(output).open("rb") as content:
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
