"""What the configuration of a dictionary says, as SAELens writes it from version 2 on, and onegrain alike."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast, get_args

from onegrain.core.sealing import CHECKSUM, file_digest, reason, require_checksum
from onegrain.errors import ModelError, RecordError
from onegrain.models.dictionaries.formulas import Activation, Architecture, Formula, Normalization
from onegrain.records.directions import CONFIG, WEIGHTS

__all__ = ["CONFIG", "WEIGHTS", "read_config", "read_formula"]

SCALER = "activation_scaler.json"

RENAMED = {
    "activation_fn_str": "activation_fn",
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
}
"""Keys of configurations before SAELens 6, and what they are called here."""

PROCESSING = ("center_writing_weights", "fold_value_biases", "refactor_factored_attn_matrices")
"""Options of TransformerLens under which a model's values at a site are not those of the model itself."""

ELSEWHERE = {
    "batchtopk": "SAELens saves it for use as 'jumprelu': sae.save_inference_model(folder)",
    "matryoshka_batchtopk": "SAELens saves it for use as 'jumprelu': sae.save_inference_model(folder)",
}
"""Architectures that can be saved as a supported one, and how."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return ``cfg.json`` with the keys of SAELens 6; what stands in its ``metadata`` comes to the top.

    Of a dictionary that onegrain wrote, the checksum of configuration and weights is verified.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(f"no {path}; give the folder that SAELens saved, with {CONFIG} and {WEIGHTS} in it")
    config = _json(path)
    metadata = _options(path, config, "metadata")
    if CHECKSUM in config or "provenance" in metadata:  # only onegrain writes these
        with _model_errors(path):
            require_checksum(path, "dictionary", config, file_digest(folder / WEIGHTS))
    return {RENAMED.get(key, key): value for key, value in {**metadata, **config}.items()}


def read_formula(folder: Path, config: Mapping[str, Any], tensors: Iterable[str]) -> Formula:
    """The formula that a configuration stands for; refuses what it does not stand for here.

    Args:
        folder: where the configuration came from.
        config: what :func:`read_config` gave.
        tensors: names of the tensors in the weights' file.

    Raises:
        ModelError: the configuration asks for what is not supported; the message names it and what is.
    """
    path = folder / CONFIG
    _refuse_other_kinds(path, config)
    size = _count(path, config, "d_sae")
    architecture, activation, k = _activation(path, config, size)
    normalization = _normalization(path, config)
    weighs = _flag(path, config, "rescale_acts_by_decoder_norm", default=False)
    if weighs and architecture != "topk":
        raise ModelError(
            f"{path}: rescale_acts_by_decoder_norm is not supported for architecture {architecture!r}; "
            "supported: topk; let SAELens fold the norms into the weights (sae.fold_W_dec_norm())"
        )
    # SAELens's default; a file without a decoder may lack the bias, and then the file decides
    has_bias = bool({"b_dec", "W_dec"} & set(tensors))
    return Formula(
        architecture=architecture,
        width_in=_count(path, config, "d_in"),
        size=size,
        activation=activation,
        k=k,
        subtracts_bias=_flag(path, config, "apply_b_dec_to_input", default=has_bias),
        normalization=normalization,
        scale=_scale(folder) if normalization == "expected_average_only_in" else 1.0,
        weighs_by_norm=weighs,
    )


def _refuse_other_kinds(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse what reads or writes somewhere else than at one whole site of the model as it is."""
    for key in ("d_out", "hook_name_out"):
        if config.get(key) is not None:
            raise ModelError(
                f"{path}: {key!r} says that it is a transcoder, which writes to another site than it reads; "
                "give a dictionary that was trained to give back its input"
            )
    if config.get("hook_head_index") is not None:
        raise ModelError(
            f"{path}: hook_head_index {config['hook_head_index']!r}: it was trained on one attention head; "
            "give a dictionary of a whole site"
        )
    reshape = config.get("reshape_activations") or "none"
    if reshape not in ("none", "hook_z"):
        raise ModelError(f"{path}: reshape_activations {reshape!r} is not supported; supported: none, hook_z")
    options = _options(path, config, "model_from_pretrained_kwargs")
    for option in PROCESSING:
        if options.get(option):
            raise ModelError(
                f"{path}: it was trained on a model that TransformerLens changed by {option}, whose sites have "
                "other values; give a dictionary that was trained on the model as it is (no_processing)"
            )


def _activation(
    path: Path, config: Mapping[str, Any], size: int
) -> tuple[Architecture, Activation, int | None]:
    """Architecture, activation and k; before SAELens 6 ``topk`` was an activation of ``standard``."""
    architecture = config.get("architecture") or "standard"
    activation = config.get("activation_fn") or ("identity" if architecture == "linear" else "relu")
    options = _options(path, config, "activation_fn_kwargs")
    if activation == "topk" and architecture in ("standard", "topk"):
        architecture, activation = "topk", "relu"
    if architecture not in get_args(Architecture):
        supported = ", ".join(get_args(Architecture))
        hint = ELSEWHERE.get(str(architecture), "give a dictionary of one of these")
        raise ModelError(
            f"{path}: architecture {architecture!r} is not supported; supported: {supported}; {hint}"
        )
    known = {"topk": ("relu",), "linear": ("identity",)}.get(architecture, ("relu", "tanh-relu"))
    if activation not in known:
        raise ModelError(
            f"{path}: activation_fn {activation!r} of architecture {architecture!r} is not supported; "
            "supported: relu, tanh-relu, topk of standard, and identity of linear"
        )
    if set(options) - {"k"}:
        raise ModelError(f"{path}: activation_fn_kwargs {options} are not supported; supported: k")
    if architecture != "topk":
        return cast(Architecture, architecture), cast(Activation, activation), None
    k = _count(path, {"k": config.get("k"), **options}, "k")
    if k > size:
        raise ModelError(f"{path}: k is {k}, but there are {size} latents; expected k at most d_sae")
    return "topk", "relu", k


def _normalization(path: Path, config: Mapping[str, Any]) -> Normalization:
    told = config.get("normalize_activations")
    if told is None or told is False:  # the old spelling was a flag
        told = "none"
    elif told is True:
        told = "expected_average_only_in"
    if told not in get_args(Normalization):
        supported = ", ".join(get_args(Normalization))
        raise ModelError(f"{path}: normalize_activations {told!r} is not supported; supported: {supported}")
    return cast(Normalization, told)


def _scale(folder: Path) -> float:
    """The factor of ``expected_average_only_in``, which SAELens keeps beside its checkpoints."""
    path = folder / SCALER
    if not path.is_file():
        raise ModelError(
            f"{folder / CONFIG}: normalize_activations is 'expected_average_only_in', but {SCALER} with the "
            "factor is not beside it. Where the weights hold it already (SAELens folds it in when training "
            'ends), set normalize_activations to "none"; else write {"scaling_factor": FACTOR} into that file'
        )
    told = _json(path)
    if told.get("has_whitening"):
        raise ModelError(f"{path}: whitening is not supported; let SAELens fold it into the weights")
    factor = told.get("scaling_factor")
    if factor is None:  # SAELens forgets the factor once it is folded in
        return 1.0
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor <= sys.float_info.max:
        raise ModelError(f"{path}: scaling_factor is {factor!r}; expected a positive number")
    return float(factor)


def _count(path: Path, config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ModelError(f"{path}: {key!r} is {value!r}; expected a whole number of 1 or more")
    return value


def _flag(path: Path, config: Mapping[str, Any], key: str, *, default: bool) -> bool:
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ModelError(f"{path}: {key!r} is {value!r}; expected true or false")
    return value


def _options(path: Path, config: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise ModelError(f"{path}: {key!r} is {value!r}; expected an object")
    return value


@contextmanager
def _model_errors(path: Path) -> Iterator[None]:
    """Turn what fails while a checksum is verified into a ModelError."""
    try:
        yield
    except (RecordError, OSError) as error:
        raise ModelError(str(error) if isinstance(error, RecordError) else f"{path}: {error}") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} is not JSON ({reason(error)}); expected the file that SAELens saved"
        ) from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds a {type(value).__name__}; expected the object that SAELens saves")
    return value
