"""Loading a Hugging Face model with its tokenizer, from a folder or a hub id."""

from __future__ import annotations

import os
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from onegrain.core.provenance import ModelIdentity
from onegrain.errors import ModelError, ParameterError
from onegrain.models.hashing import hash_tensors
from onegrain.models.loaded import LoadedModel, Task
from onegrain.models.quiet import quiet_transformers

__all__ = ["hash_weights", "load_model"]

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
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def load_model(
    model: str | os.PathLike[str] | LoadedModel,
    *,
    name: str | None = None,
    device: str | None = None,
    dtype: str = "float32",
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> LoadedModel:
    """Load a model and its tokenizer, ready to be read, scored and edited.

    Args:
        model: a folder, a hub id, or a model that is loaded already (returned as it is).
        name: what provenance calls the model; by default the folder or id.
        device: ``cpu``, ``cuda``, ...; by default CUDA where there is one.
        dtype: ``float32``, ``float16`` or ``bfloat16``: the precision that the model computes in.
        trust_remote_code: run code that the model's repository brings.
        allow_pickle: load weights that are not safetensors; a pickle can run any code.

    Raises:
        ModelError: the folder or id has no model, no safetensors weights, or no tokenizer.
    """
    if isinstance(model, LoadedModel):
        return model
    if dtype not in DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    path = os.fspath(model)
    _check_folder(path)
    config = _from(path, "model configuration", AutoConfig, trust_remote_code=trust_remote_code)
    task, kind = _task(config)
    # a download shows its bar; weights that lie here load without one
    with quiet_transformers(warnings=True) if Path(path).is_dir() else nullcontext():
        network = _from(
            path,
            "model",
            kind,
            config=config,
            dtype=DTYPES[dtype],
            use_safetensors=None if allow_pickle else True,
            trust_remote_code=trust_remote_code,
        )
    tokenizer = _tokenizer(path, trust_remote_code)
    network.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    identity = ModelIdentity(
        id=name or path, architecture=type(network).__name__, weight_hash=hash_weights(network)
    )
    return LoadedModel(network, tokenizer, identity, task)


def hash_weights(network: nn.Module) -> str:
    """SHA-256 (hex) of every parameter and buffer, by name; the same for equal weights wherever they lie."""
    return hash_tensors(network.state_dict())


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
