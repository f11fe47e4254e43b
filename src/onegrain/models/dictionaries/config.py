"""Read the configuration of a dictionary, as SAELens writes it from version 2 on, and onegrain as well."""

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
"""Keys of configurations before SAELens 6, and their names today."""

PROCESSING = ("center_writing_weights", "fold_value_biases", "refactor_factored_attn_matrices")
"""Options with which TransformerLens changes the values at a model's sites."""

ELSEWHERE = {
    "batchtopk": "SAELens saves it for use as 'jumprelu': sae.save_inference_model(folder)",
    "matryoshka_batchtopk": "SAELens saves it for use as 'jumprelu': sae.save_inference_model(folder)",
}
"""Architectures that SAELens can save as a supported one, and the way to do it."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return ``cfg.json`` with the keys of SAELens 6; the entries of its ``metadata`` move to the top level.

    For a dictionary that onegrain wrote, the checksum of configuration and weights is verified.
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
    """Return the formula that a configuration describes.

    Args:
        folder: the folder of the configuration.
        config: the result of :func:`read_config`.
        tensors: names of the tensors in the file of weights.

    Raises:
        ModelError: the configuration has an unsupported value; the message names it and the supported ones.
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
    # the default of SAELens, unless a file without a decoder lacks the bias as well
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
    """Refuse dictionaries that do not read and write the value of one site of the unchanged model."""
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
    """Return architecture, activation and k; before SAELens 6 ``topk`` was an activation of ``standard``."""
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
    normalization = config.get("normalize_activations")
    if normalization is None or normalization is False:  # the old spelling was a flag
        normalization = "none"
    elif normalization is True:
        normalization = "expected_average_only_in"
    if normalization not in get_args(Normalization):
        supported = ", ".join(get_args(Normalization))
        raise ModelError(
            f"{path}: normalize_activations {normalization!r} is not supported; supported: {supported}"
        )
    return cast(Normalization, normalization)


def _scale(folder: Path) -> float:
    """Return the factor of ``expected_average_only_in``, which SAELens writes next to its checkpoints."""
    path = folder / SCALER
    if not path.is_file():
        raise ModelError(
            f"{folder / CONFIG}: normalize_activations is 'expected_average_only_in', but {SCALER} with the "
            "factor is not beside it. Where the weights hold it already (SAELens folds it in when training "
            'ends), set normalize_activations to "none"; else write {"scaling_factor": FACTOR} into that file'
        )
    scaler = _json(path)
    if scaler.get("has_whitening"):
        raise ModelError(f"{path}: whitening is not supported; let SAELens fold it into the weights")
    factor = scaler.get("scaling_factor")
    if factor is None:  # SAELens drops the factor when it folds it into the weights
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
    """Turn errors of verifying a checksum into a ModelError."""
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
