"""Find the folder of a model: a local folder, or a model of the Hugging Face hub, fetched into its cache."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from onegrain.errors import ModelError
from onegrain.models.checkpoint import read_json
from onegrain.models.failures import reason

__all__ = ["find_folder"]

HUB_ID = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*")
FILES = re.compile(
    r".*\.(zarr|parquet|json|jsonl|toml|safetensors|bin|pt|pth|gguf|txt|conllu|conll|csv|tsv|h5|hdf5|npz|npy|word)"
)
"""Names with these endings are taken as files, never as models of the hub."""

LONGEST_NAME = 96
TIMEOUT = 5.0
SMALL = ("*.json", "*.txt", "*.model", "*.spm", "*.vocab", "*.bpe", "*.codes", "*.tiktoken", "*.jinja")
WEIGHTS = ("model.safetensors", "model-*.safetensors")
PICKLED = ("pytorch_model.bin", "pytorch_model-*.bin")
CODE = ("*.py",)


def find_folder(name: str, *, allow_pickle: bool, trust_remote_code: bool) -> Path:
    """Return the folder of a model, fetching it if the name is that of a model of the hub.

    The network is never asked for a name that can only be a path, and once for any other name.

    Raises:
        ModelError: the folder does not exist, and no model with this name is available.
    """
    try:
        folder = Path(name).expanduser()
        exists = folder.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(f"{name!r} is not a model folder: {reason(error)}") from error
    if exists:
        return _local(folder, name)
    if not _is_hub_id(name):
        raise ModelError(f"{name} is not a model folder; give a folder with config.json, or a hub id")
    patterns = [*SMALL, *WEIGHTS, *(PICKLED if allow_pickle else ()), *(CODE if trust_remote_code else ())]
    return _snapshot(name, patterns)


def _is_hub_id(name: str) -> bool:
    if len(name) > LONGEST_NAME or ".." in name or "--" in name:
        return False
    return HUB_ID.fullmatch(name) is not None and FILES.fullmatch(name) is None


def _local(folder: Path, name: str) -> Path:
    if not folder.is_dir():
        raise ModelError(f"{name} is not a model folder; give a folder with config.json, or a hub id")
    if not (folder / "config.json").is_file():
        adapter = (folder / "adapter_config.json").is_file()
        beside = (
            "; an adapter has to be merged into its model first (merge_and_unload of peft)" if adapter else ""
        )
        raise ModelError(f"{name} has no config.json; it is not a model folder{beside}")
    return folder


def _snapshot(name: str, patterns: list[str]) -> Path:
    """Return the hub's snapshot of a model, from the cache if the hub cannot be reached."""
    ignored = None if "*.py" in patterns else ["*/*"]
    offline = constants.HF_HUB_OFFLINE
    try:
        if not offline:
            HfApi().model_info(name, timeout=TIMEOUT)  # one request, without the retries of a download
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"there is no folder {name}, and the Hugging Face hub has no model of that name (or it is private)"
        ) from error
    except HfHubHTTPError as error:
        raise ModelError(f"cannot fetch {name} from the Hugging Face hub: {reason(error)}") from error
    except Exception:  # a missing network has many exceptions; fall back to the cache
        offline = True
    try:
        folder = Path(
            snapshot_download(name, allow_patterns=patterns, ignore_patterns=ignored, local_files_only=offline)
        )
        if unusual := _unusual_shards(folder):
            snapshot_download(name, allow_patterns=unusual, local_files_only=offline)
    except LocalEntryNotFoundError as error:
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "the hub cannot be reached"
        raise ModelError(
            f"there is no folder {name}, and no model of that name in the cache of the Hugging Face hub ({why})"
        ) from error
    except Exception as error:
        raise ModelError(f"cannot fetch {name} from the Hugging Face hub: {reason(error)}") from error
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name} has no config.json on the Hugging Face hub; it is not a model")
    return folder


def _unusual_shards(folder: Path) -> list[str]:
    """Return the safetensors files that the index names and the usual patterns do not match."""
    index = folder / "model.safetensors.index.json"
    entries = read_json(index, "index of the weights").get("weight_map") if index.is_file() else None
    names = {str(entry) for entry in entries.values()} if isinstance(entries, dict) else set()
    missing = [name for name in sorted(names) if not (folder / name).exists()]
    return [name for name in missing if name.endswith(".safetensors") and not re.search(r"\.\.|[*?\[]", name)]
