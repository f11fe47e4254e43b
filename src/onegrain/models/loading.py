"""Loading a Hugging Face model with its tokenizer, from a folder or a hub id."""

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
from onegrain.models.load_spec import Origin
from onegrain.models.loaded import LoadedModel
from onegrain.models.quiet import quiet_accelerate, quiet_transformers
from onegrain.models.weights import absent_parts, check_config, check_stored, leave_out, require_body
from onegrain.records.provenance import ModelIdentity

__all__ = ["hash_weights", "load_model", "load_origin"]

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
        source_language: the language that the model reads, as its tokenizer calls it (NLLB: ``deu_Latn``).
        target_language: the language that the model writes.

    Raises:
        ModelError: the folder or id has no model, no safetensors weights, or no tokenizer.
        ParameterError: an unknown dtype, or ``device`` beside a ``device_map``.
    """
    if isinstance(model, LoadedModel):
        return model
    path = os.fspath(model)
    origin = Origin(
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
    return load_origin(origin)


def load_origin(origin: Origin) -> LoadedModel:
    """Load what an origin names; see :func:`load_model`."""
    trust, name = origin.trust_remote_code, origin.path
    folder = find_folder(name, allow_pickle=origin.allow_pickle, trust_remote_code=trust)
    device = None if origin.device_map is not None else _device(origin.device)
    check_pointers(folder)
    read_json(folder / "config.json", "model configuration")
    with quiet_transformers(warnings=False), quiet_accelerate():
        with as_model_error(f"cannot load the model configuration of {name}"):
            config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
        tokenizer = _tokenizer(folder, name, trust)
        set_languages(tokenizer, name, source=origin.source_language, target=origin.target_language)
        with as_model_error(f"cannot load the model of {name}"):
            chosen, network, missing = _network(folder, config, origin, device)
    identity = ModelIdentity(
        id=origin.name, architecture=type(network).__name__, weight_hash=hash_weights(network)
    )
    loaded = LoadedModel(network, tokenizer, identity, chosen.task, replace(origin, dictionaries=()), missing)
    for site, dictionary in origin.dictionaries:
        loaded = loaded.with_dictionary(site, dictionary)
    return loaded


def _network(
    folder: Path, config: Any, origin: Origin, device: torch.device | None
) -> tuple[Chosen, Any, tuple[str, ...]]:
    """Return how the model is loaded, the model, and the names of the weights that were left out of it."""
    files = check_weights(folder, config, allow_pickle=origin.allow_pickle)
    tensors = stored_tensors(files)
    check_config(config, tensors, origin.path)
    chosen = choose_class(config, trust_remote_code=origin.trust_remote_code)
    if chosen.skeleton is not None:
        check_stored(chosen.skeleton, tensors, origin.path)
    options: dict[str, Any] = {
        "config": config,
        "dtype": getattr(torch, origin.dtype),
        "trust_remote_code": origin.trust_remote_code,
        "use_safetensors": None if files[0].suffix != ".safetensors" else True,
    }
    if origin.device_map is not None:
        spread = {"max_memory": origin.max_memory, "offload_folder": origin.offload_folder}
        options |= {"device_map": origin.device_map} | {k: v for k, v in spread.items() if v is not None}
    network, report = chosen.kind.from_pretrained(
        folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
    )
    _check_report(network, report, origin.path)
    if device is not None:
        network.to(device)
    network.eval()
    return chosen, network, _without(network, report, origin.path)


def _check_report(network: Any, report: Mapping[str, Any], where: str) -> None:
    """Check that every weight that was loaded has the shape that the configuration asks for."""
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
    """Return the device of that name, or CUDA where there is one.

    Raises:
        ParameterError: there is no such device.
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


def _tokenizer(folder: Path, name: str, trust_remote_code: bool) -> Any:
    if not trust_remote_code and not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise ModelError(
            f"{name} has no tokenizer; save the one that the model was trained with into it "
            "(tokenizer.save_pretrained)"
        )
    with warnings.catch_warnings(), as_model_error(f"cannot load the tokenizer of {name}"):
        # for a normaliser that transformers sets up but does not call
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        try:
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        except Exception:
            _check_tokenizer(folder / "tokenizer.json", name)
            raise


def _check_tokenizer(file: Path, name: str) -> None:
    """Check that the tokenizers library reads a file: its errors do not say that a newer one wrote it."""
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
