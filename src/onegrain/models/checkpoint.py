"""The weight files of a model folder: finding them, reading their headers, and refusing unsafe ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from onegrain.errors import ModelError
from onegrain.models.failures import as_model_error

__all__ = ["StoredTensor", "check_pointers", "check_weights", "read_json", "stored_tensors", "weight_files"]

SAFE = "model.safetensors"
INDEX = ".index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
LFS_MARK = b"version https://git-lfs.github.com/spec/"
PICKLE_MARKS = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""The first bytes of a zip archive, which torch.save writes, and of a bare pickle."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as the header of a safetensors file describes it.

    Attributes:
        dtype: the precision as safetensors names it, e.g. ``F32``.
        shape: its shape.
        file: the file's name.
    """

    dtype: str
    shape: tuple[int, ...]
    file: str


def read_json(file: Path, what: str) -> dict[str, Any]:
    """Return the object that a JSON file of a model folder holds.

    Args:
        file: the file.
        what: content of the file, for the error message.

    Raises:
        ModelError: the file cannot be read, is a Git LFS pointer, or holds no JSON object.
    """
    _check_pointer(file)
    with as_model_error(f"cannot load the {what} of {file.parent}: {file.name}"):
        content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ModelError(f"cannot load the {what} of {file.parent}: {file.name} holds no JSON object")
    return content


def check_pointers(folder: Path) -> None:
    """Check that no file of a model folder is a Git LFS pointer in place of the content."""
    for file in sorted(folder.iterdir()):
        if file.is_file():
            _check_pointer(file)


def check_weights(folder: Path, config: Any, *, allow_pickle: bool) -> list[Path]:
    """Return the weight files to read; without ``allow_pickle`` all must be safetensors files.

    Raises:
        ModelError: the folder has no weights, or only weights in a format that may not be opened; an index
            names a file that is not safetensors, is missing, or lies outside the folder; the content of a file
            does not match its suffix.
    """
    files = weight_files(folder, config, allow_pickle=allow_pickle)
    for file in files:
        _check_pointer(file)
        if file.suffix == ".safetensors":
            _check_safe(file)
        elif not allow_pickle:
            raise ModelError(
                f"{file} is not a safetensors file; a pickle can run any code, so it is opened only with "
                "allow_pickle (--allow-pickle)"
            )
    return files


def weight_files(folder: Path, config: Any, *, allow_pickle: bool) -> list[Path]:
    """Return the weight files that transformers would load from a folder.

    Raises:
        ModelError: the folder holds an adapter or a distributed checkpoint, or has no weights that may be read.
    """
    if (folder / "adapter_config.json").exists():
        raise ModelError(
            f"{folder} holds an adapter (adapter_config.json), which would change the weights; merge it into "
            "its model (merge_and_unload of peft) and save that"
        )
    if any(folder.glob("shard-?????-model-?????-of-?????.safetensors")):
        raise ModelError(f"{folder} holds a distributed checkpoint; save the model with save_pretrained")
    stated = getattr(config, "transformers_weights", None)
    names = [SAFE, SAFE + INDEX, *(PICKLES if allow_pickle else ())] if stated is None else [stated]
    for name in names:
        if not isinstance(name, str):
            raise ModelError(f"{folder}: transformers_weights of config.json is not the name of a file")
        if stated is not None:
            _check_entry(folder, name, folder / "config.json", (".safetensors", ".safetensors.index.json"))
        if (folder / name).is_file():
            return _indexed(folder, name, allow_pickle) if name.endswith(INDEX) else [folder / name]
    others = sorted(p.name for kind in ("*.bin", "*.pt", "*.pth", "*.h5", "*.gguf") for p in folder.glob(kind))
    beside = f"; it has {', '.join(others[:3])}" if others else ""
    raise ModelError(
        f"cannot load the model of {folder}: it has no {SAFE}{beside}; weights are read from safetensors, "
        "and a pytorch_model.bin only with allow_pickle (--allow-pickle)"
    )


def stored_tensors(files: list[Path]) -> dict[str, StoredTensor]:
    """Return the tensors of safetensors files by name; pickles are skipped, as reading them can run code."""
    tensors: dict[str, StoredTensor] = {}
    for file in files:
        if file.suffix != ".safetensors":
            continue
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 - not a dict
                    part = opened.get_slice(name)
                    tensors[name] = StoredTensor(part.get_dtype(), tuple(part.get_shape()), file.name)
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(f"cannot load the model of {file.parent}: {file.name}: {error}") from error
    return tensors


def _indexed(folder: Path, name: str, allow_pickle: bool) -> list[Path]:
    index = folder / name
    entries = read_json(index, "index of the weights").get("weight_map")
    if not isinstance(entries, dict) or not entries:
        raise ModelError(f"{index} has no weight_map from tensors to files")
    suffixes: tuple[str, ...] = (".safetensors",)
    if allow_pickle and not name.startswith(SAFE):
        suffixes = (".bin", ".safetensors")
    for entry in _different(entries.values()):
        _check_entry(folder, entry, index, suffixes)
        if not (folder / entry).is_file():
            raise ModelError(f"{index} names {entry!r}, which is not in the folder")
    return sorted(folder / entry for entry in set(entries.values()))


def _different(entries: Any) -> Iterator[Any]:
    """Yield each text entry once, and every entry that is not text (which may not be hashable)."""
    known: set[str] = set()
    for entry in entries:
        if not isinstance(entry, str):
            yield entry
        elif entry not in known:
            known.add(entry)
            yield entry


def _check_entry(folder: Path, entry: Any, where: Path, suffixes: tuple[str, ...]) -> None:
    """Check that a file that an index or configuration names has an allowed suffix and lies in the folder."""
    if not isinstance(entry, str) or "\0" in entry:
        raise ModelError(f"{where} names {entry!r} in place of a file")
    if not entry.endswith(suffixes):
        raise ModelError(
            f"{where} names {entry!r}, which is not a {suffixes[0]} file; weights are read from safetensors "
            "only, and pickles (pytorch_model.bin) only with allow_pickle (--allow-pickle)"
        )
    path = Path(entry)
    if path.is_absolute() or ".." in path.parts or "\\" in entry:
        raise ModelError(f"{where} names {entry!r}, which lies outside the folder")
    root, target = folder.resolve(), (folder / entry).resolve()
    blobs = root.parent.parent / "blobs" if root.parent.name == "snapshots" else root
    if not (target.is_relative_to(root) or target.is_relative_to(blobs)):
        raise ModelError(f"{where} names {entry!r}, which is a link to {target}, outside the folder")


def _check_pointer(file: Path) -> None:
    if _start(file, len(LFS_MARK)) == LFS_MARK:
        raise ModelError(
            f"{file} is a Git LFS pointer, not the file that it stands for; run 'git lfs pull' in the folder"
        )


def _check_safe(file: Path) -> None:
    start = _start(file, 9)
    # the length of the header comes first, in eight bytes that may look like a pickle's, then its brace
    if start.startswith(PICKLE_MARKS) and start[8:] != b"{":
        raise ModelError(f"{file} is a pickle, not a safetensors file, despite its name; it is not opened")


def _start(file: Path, size: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(size)
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error
