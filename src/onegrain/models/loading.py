"""Load a Hugging Face model with its tokenizer, from a folder or a hub id."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tokenizers
import torch
from accelerate.utils import align_module_device
from torch import nn
from transformers import AutoConfig, AutoTokenizer

from onegrain.errors import ModelError, ParameterError
from onegrain.models.checkpoint import check_pointers, check_weights, read_json, stored_tensors
from onegrain.models.classes import Chosen, choose_class
from onegrain.models.failures import as_model_error, few_of, reason
from onegrain.models.hashing import hash_tensors
from onegrain.models.hub import find_folder
from onegrain.models.languages import set_languages
from onegrain.models.load_spec import LoadSpec
from onegrain.models.loaded import LoadedModel
from onegrain.models.quiet import quiet_accelerate, quiet_transformers
from onegrain.models.weights import absent_parts, check_config, check_stored, leave_out, require_body
from onegrain.records.provenance import ModelIdentity

__all__ = ["hash_weights", "load_from_spec", "load_model"]

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
    source_language: str | None = None,
    target_language: str | None = None,
) -> LoadedModel:
    """Load a model and its tokenizer, ready to be read, scored and edited.

    Args:
        model: a folder, a hub id, or a loaded model, which is returned unchanged.
        name: the name of the model in provenance; by default the folder or id.
        device: ``cpu``, ``cuda``, ...; by default CUDA if available.
        dtype: precision of the model: ``float32``, ``float16`` or ``bfloat16``.
        device_map: the way accelerate spreads a model over several devices: ``auto``, ``balanced``, ..., or a
            dict from module path to device, ``cpu`` or ``disk``; it excludes ``device``.
        max_memory: with a ``device_map``, the memory limit of each device, e.g.
            ``{0: "20GiB", "cpu": "60GiB"}``.
        offload_folder: with a ``device_map``, the folder for weights that it puts on disk.
        trust_remote_code: True to run code from the model's repository.
        allow_pickle: True to load weights that are not safetensors; a pickle can run any code.
        source_language: the tokenizer's name of the input language (NLLB: ``deu_Latn``).
        target_language: the tokenizer's name of the output language.

    Raises:
        ModelError: the folder or id has no model, no safetensors weights, or no tokenizer.
        ParameterError: an unknown dtype, or both ``device`` and ``device_map``.
    """
    if isinstance(model, LoadedModel):
        return model
    path = os.fspath(model)
    load_spec = LoadSpec(
        path=str(Path(path).resolve()) if os.path.isdir(path) else path,
        name=name or path,
        device=device,
        dtype=dtype,
        device_map=device_map,
        max_memory=max_memory,
        offload_folder=None if offload_folder is None else str(Path(offload_folder).resolve()),
        trust_remote_code=trust_remote_code,
        allow_pickle=allow_pickle,
        source_language=source_language,
        target_language=target_language,
    )
    return load_from_spec(load_spec)


def load_from_spec(load_spec: LoadSpec) -> LoadedModel:
    """Load the model of a specification; see :func:`load_model`."""
    trust, name = load_spec.trust_remote_code, load_spec.path
    folder = find_folder(name, allow_pickle=load_spec.allow_pickle, trust_remote_code=trust)
    device = None if load_spec.device_map is not None else _device(load_spec.device)
    check_pointers(folder)
    read_json(folder / "config.json", "model configuration")
    with quiet_transformers(warnings=False), quiet_accelerate():
        with as_model_error(f"cannot load the model configuration of {name}"):
            config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
        tokenizer = _tokenizer(folder, name, trust)
        set_languages(tokenizer, name, source=load_spec.source_language, target=load_spec.target_language)
        with as_model_error(f"cannot load the model of {name}"):
            chosen, network, missing = _network(folder, config, load_spec, device)
    identity = ModelIdentity(
        id=load_spec.name, architecture=type(network).__name__, weight_hash=hash_weights(network)
    )
    loaded = LoadedModel(
        network, tokenizer, identity, chosen.task, replace(load_spec, dictionaries=()), missing
    )
    for site, dictionary in load_spec.dictionaries:
        loaded = loaded.with_dictionary(site, dictionary)
    return loaded


def _network(
    folder: Path, config: Any, load_spec: LoadSpec, device: torch.device | None
) -> tuple[Chosen, Any, tuple[str, ...]]:
    """Return the class that loaded the model, the model, and the names of the weights that it lacks."""
    files = check_weights(folder, config, allow_pickle=load_spec.allow_pickle)
    tensors = stored_tensors(files)
    check_config(config, tensors, load_spec.path)
    chosen = choose_class(config, trust_remote_code=load_spec.trust_remote_code)
    if chosen.skeleton is not None:
        check_stored(chosen.skeleton, tensors, load_spec.path)
    options: dict[str, Any] = {
        "config": config,
        "dtype": getattr(torch, load_spec.dtype),
        "trust_remote_code": load_spec.trust_remote_code,
        "use_safetensors": None if files[0].suffix != ".safetensors" else True,
    }
    if load_spec.device_map is not None:
        spread = {"max_memory": load_spec.max_memory, "offload_folder": load_spec.offload_folder}
        options |= {"device_map": load_spec.device_map} | {k: v for k, v in spread.items() if v is not None}
    network, report = chosen.kind.from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    _check_report(network, report, load_spec.path)
    if device is not None:
        network.to(device)
    network.eval()
    return chosen, network, _without(network, report, load_spec.path)


def _check_report(network: Any, report: Mapping[str, Any], where: str) -> None:
    """Check that the loaded weights have the shapes that the configuration asks for."""
    for name, *shapes in sorted(report["mismatched_keys"]):
        stored, expected = (" x ".join(map(str, shape)) for shape in shapes)
        raise ModelError(
            f"{name} has the shape {stored} in the checkpoint of {where}, but config.json asks for {expected}"
        )
    if report.get("error_msgs"):
        raise ModelError(
            f"the weights of {where} do not fit {type(network).__name__}: {report['error_msgs'][0]}"
        )


def _without(network: Any, report: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """Leave out the parts that the checkpoint lacks, and return the names of their weights.

    Raises:
        ModelError: the model's body needs them.
    """
    missing = tuple(sorted(report["missing_keys"]))
    if not missing:
        return ()
    try:
        parts, device = absent_parts(network, missing), network.get_input_embeddings().weight.device
        leave_out(network, parts)
        ids = torch.tensor([[1, 0, 1]], device="cpu" if device.type == "meta" else device)
        target = {"decoder_input_ids": ids} if network.config.is_encoder_decoder else {}
        require_body(network, {"input_ids": ids, **target}, missing)
    except ModelError as error:
        others = sorted(report["unexpected_keys"])
        beside = f"; what {type(network).__name__} does not have is there: {few_of(others)}" if others else ""
        raise ModelError(f"cannot load the model of {where}: {error}{beside}") from error
    return missing


def _device(name: str | None) -> torch.device:
    """Return the device with this name; None means CUDA if available, else the CPU.

    Raises:
        ParameterError: the device cannot be used.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ParameterError(f"device {name!r} cannot be used: {reason(error)}") from error
    return device


def hash_weights(network: nn.Module) -> str:
    """Return the SHA-256 (hex) of all parameters and buffers; it does not depend on the device they are on.

    Weights that accelerate has moved to disk or to memory are fetched one after the other.
    """
    return hash_tensors(
        (name, _fetched(network, name) if tensor.is_meta else tensor)
        for name, tensor in sorted(network.state_dict().items())
    )


def _fetched(network: nn.Module, name: str) -> torch.Tensor:
    """Return a weight that accelerate loads only when its module runs."""
    path, _, weight_name = name.rpartition(".")
    module = network.get_submodule(path)
    with align_module_device(module, "cpu"):
        weight = getattr(module, weight_name)
        if weight.is_meta:
            raise ModelError(f"the weight {name!r} was not loaded; give another device_map")
        return weight.detach().clone()


def _tokenizer(folder: Path, name: str, trust_remote_code: bool) -> Any:
    if not trust_remote_code and not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise ModelError(
            f"{name} has no tokenizer; save the one that the model was trained with into it "
            "(tokenizer.save_pretrained)"
        )
    with warnings.catch_warnings(), as_model_error(f"cannot load the tokenizer of {name}"):
        # transformers sets up a normaliser that it does not call
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        try:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        except Exception:
            _check_tokenizer(folder / "tokenizer.json", name)
            raise


def _check_tokenizer(file: Path, name: str) -> None:
    """Check that the tokenizers library can read a file; its own errors do not mention newer versions."""
    if not file.is_file():
        return
    read_json(file, "tokenizer")
    try:
        tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:
        raise ModelError(
            f"cannot load the tokenizer of {name}: tokenizer.json is damaged, or a newer version of tokenizers "
            f"than {tokenizers.__version__} wrote it: {reason(error)}"
        ) from error
