"""Loading a Hugging Face model with its tokenizer, from a folder or a hub id."""

from __future__ import annotations

import os
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import align_module_device
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from onegrain.core.provenance import ModelIdentity
from onegrain.errors import ModelError
from onegrain.models.hashing import hash_tensors
from onegrain.models.loaded import LoadedModel, Task
from onegrain.models.origin import Origin
from onegrain.models.quiet import quiet_accelerate, quiet_transformers

__all__ = ["hash_weights", "load_model", "load_origin"]

CAUSAL = ("ForCausalLM", "LMHeadModel", "LSTMLanguageModel")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "source.spm",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


def load_model(
    model: str | os.PathLike[str] | LoadedModel,
    *,
    name: str | None = None,
    device: str | None = None,
    dtype: str = "float32",
    device_map: str | dict[str, Any] | None = None,
    max_memory: dict[Any, Any] | None = None,
    offload_folder: str | os.PathLike[str] | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> LoadedModel:
    """Load a model and its tokenizer, ready to be read, scored and edited.

    Args:
        model: a folder, a hub id, or a model that is loaded already (returned as it is).
        name: what provenance calls the model; by default the folder or id.
        device: ``cpu``, ``cuda``, ...; by default CUDA where there is one.
        dtype: ``float32``, ``float16`` or ``bfloat16``: the precision that the model computes in.
        device_map: spread a model that does not fit one device over several, by accelerate: ``auto``,
            ``balanced``, ..., or a dict from module path to device, ``cpu`` or ``disk``; then no ``device``.
        max_memory: with a ``device_map``, how much each device may hold, e.g. ``{0: "20GiB", "cpu": "60GiB"}``.
        offload_folder: with a ``device_map``, the folder for weights that it puts on disk.
        trust_remote_code: run code that the model's repository brings.
        allow_pickle: load weights that are not safetensors; a pickle can run any code.

    Raises:
        ModelError: the folder or id has no model, no safetensors weights, or no tokenizer.
        ParameterError: an unknown dtype, or ``device`` beside a ``device_map``.
    """
    if isinstance(model, LoadedModel):
        return model
    path = os.fspath(model)
    origin = Origin(
        path=str(Path(path).resolve()) if Path(path).is_dir() else path,
        name=name or path,
        device=device,
        dtype=dtype,
        device_map=device_map,
        max_memory=max_memory,
        offload_folder=None if offload_folder is None else str(Path(offload_folder).resolve()),
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
    )
    return load_origin(origin)


def load_origin(origin: Origin) -> LoadedModel:
    """Load what an origin names; see :func:`load_model`."""
    path, trust = origin.path, origin.trust_remote_code
    _check_folder(path)
    config = _from(path, "model configuration", AutoConfig, trust_remote_code=trust)
    task, kind = _task(config)
    options: dict[str, Any] = {"dtype": getattr(torch, origin.dtype), "trust_remote_code": trust}
    if origin.device_map is not None:
        spread = {"max_memory": origin.max_memory, "offload_folder": origin.offload_folder}
        options |= {"device_map": origin.device_map} | {k: v for k, v in spread.items() if v is not None}
    # a download shows its bar; weights that lie here load without one
    here = quiet_transformers(warnings=True) if Path(path).is_dir() else nullcontext()
    with here, quiet_accelerate():
        safe = None if origin.allow_pickle else True
        network = _from(path, "model", kind, config=config, use_safetensors=safe, **options)
    tokenizer = _tokenizer(path, trust)
    if origin.device_map is None:
        network.to(origin.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    network.eval()
    identity = ModelIdentity(
        id=origin.name, architecture=type(network).__name__, weight_hash=hash_weights(network)
    )
    loaded = LoadedModel(network, tokenizer, identity, task, replace(origin, dictionaries=()))
    for site, folder in origin.dictionaries:
        loaded = loaded.with_dictionary(site, folder)
    return loaded


def hash_weights(network: nn.Module) -> str:
    """SHA-256 (hex) of every parameter and buffer, by name; the same for equal weights wherever they lie.

    Weights that accelerate keeps elsewhere, on disk or in memory, are fetched one after the other.
    """
    return hash_tensors(
        (name, _fetched(network, name) if tensor.is_meta else tensor)
        for name, tensor in sorted(network.state_dict().items())
    )


def _fetched(network: nn.Module, name: str) -> torch.Tensor:
    """A weight whose place in the model is empty until its module runs."""
    path, _, own = name.rpartition(".")
    module = network.get_submodule(path)
    with align_module_device(module, "cpu"):
        weight = getattr(module, own)
        if weight.is_meta:
            raise ModelError(f"the weight {name!r} was not loaded; give another device_map")
        return weight.detach().clone()


def _task(config: Any) -> tuple[Task, Any]:
    """What a model can do, and the Auto class that loads it with the head for that."""
    architecture = (getattr(config, "architectures", None) or [""])[0]
    if getattr(config, "is_encoder_decoder", False):
        return "translation", AutoModelForSeq2SeqLM
    if any(mark in architecture for mark in CAUSAL):
        return "language model", AutoModelForCausalLM
    return "encoder", AutoModel


def _check_folder(name: str) -> None:
    folder = Path(name)
    if not folder.is_dir():
        looks_like_path = name.startswith((".", "/", "~")) or name.count("/") > 1
        if looks_like_path or folder.exists():
            raise ModelError(f"{name} is not a model folder; give a folder with config.json, or a hub id")
        return
    if not (folder / "config.json").is_file():
        raise ModelError(f"{name} has no config.json; it is not a model folder")


def _tokenizer(name: str, trust_remote_code: bool) -> Any:
    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise ModelError(
            f"{name} has no tokenizer; save the one that the model was trained with into it "
            "(tokenizer.save_pretrained)"
        )
    with warnings.catch_warnings():
        # for a normaliser that transformers sets up but does not call
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        return _from(name, "tokenizer", AutoTokenizer, trust_remote_code=trust_remote_code)


def _from(name: str, what: str, kind: Any, **options: Any) -> Any:
    """``from_pretrained`` with one clear error in place of the many that it can raise."""
    try:
        return kind.from_pretrained(name, **options)
    except (OSError, ValueError, KeyError, ImportError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot load the {what} of {name}: {reason}") from error
