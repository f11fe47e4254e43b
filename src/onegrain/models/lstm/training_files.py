"""The files that a training writes: their names, their checksums, and reading and writing the small ones."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from onegrain.core.durable import replace_durably, sync_file
from onegrain.core.output import Layout

__all__ = ["LAYOUT", "damaged_file", "digest", "first_damaged", "is_trained", "read_entries", "write_whole"]

WORK = ".training"
RECORD = "training.json"
RUN = "run.json"
LOCK = "lock"
FINAL = "final"
FROM_CHECKPOINT = ("config.json", "generation_config.json", "model.safetensors")
MODEL_FILES = (*FROM_CHECKPOINT, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
IDENTITY = ("kind", "version", "options", "corpora")
LAYOUT = Layout(
    "a trained model",
    lambda folder: any(read_entries(folder / name, IDENTITY) is not None for name in (RECORD, f"{WORK}/{RUN}")),
    (
        *MODEL_FILES,
        *(RECORD, f".{RECORD}.partial"),
        *(f"{WORK}/{name}" for name in (RUN, f".{RUN}.partial", LOCK, f"{FINAL}/*", "checkpoint-*/*")),
    ),
)


def is_trained(folder: str | os.PathLike[str]) -> bool:
    """Return True if a training has finished in this folder and its files match their checksums."""
    out = Path(folder)
    return read_entries(out / RECORD, IDENTITY) is not None and damaged_file(out) is None


def read_entries(path: Path, keys: tuple[str, ...]) -> dict[str, Any] | None:
    """Return these entries of a JSON file, or None if it is missing or of another kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not set(keys) <= set(content):
        return None
    return {key: content[key] for key in keys}


def damaged_file(out: Path) -> str | None:
    """Return the name of a file of a trained model that does not match its checksum, or None."""
    record = read_entries(out / RECORD, ("files",))
    if record is None:  # before 0.2 there were no checksums
        return None if (out / "model.safetensors").is_file() else "model.safetensors"
    return first_damaged(out, record["files"])


def first_damaged(folder: Path, files: Any) -> str | None:
    """Return the name of the first file that does not match its recorded checksum, or None.

    An entry that is not the name of a file directly in the folder counts as damaged, and is not opened.
    """
    if not isinstance(files, dict):
        return RECORD
    for name, expected in files.items():
        if Path(name).name != name or "\0" in name or not _verifies(folder / name, expected):
            return name
    return None


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, after flushing its content to the disk."""
    sync_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verifies(path: Path, expected: object) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == expected
    except OSError:
        return False


def write_whole(path: Path, text: str) -> None:
    """Write a small file completely or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        sync_file(partial)
        replace_durably(partial, path)
    finally:
        partial.unlink(missing_ok=True)
