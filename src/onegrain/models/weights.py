"""Compare a checkpoint with its model: shapes, precisions, and missing parts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from onegrain.errors import ModelError
from onegrain.models.checkpoint import StoredTensor
from onegrain.models.failures import few_of

__all__ = ["Absent", "absent_parts", "check_config", "check_stored", "leave_out", "require_body"]

FLOATS = ("F64", "F32", "F16", "BF16")
LAYER_COUNTS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
MOST_LAYERS = 1000
"""Largest number of layers in a configuration, unless the checkpoint has more tensors."""


class Absent(nn.Module):
    """A module in place of a part whose weights the checkpoint lacks; its output is NaN, one unit wide."""

    def __init__(self, lacking: Iterable[str]) -> None:
        super().__init__()
        self.lacking = tuple(lacking)

    def forward(self, *values: Any, **others: Any) -> Any:
        """Return NaN for each row and time step, for any input."""
        tensors = [v for v in (*values, *others.values()) if isinstance(v, Tensor) and v.is_floating_point()]
        if not tensors:
            raise ModelError(f"the checkpoint lacks {few_of(self.lacking)}")
        return tensors[0].new_full((*tensors[0].shape[:-1], 1), math.nan)


def check_config(config: Any, tensors: Mapping[str, StoredTensor], where: str) -> None:
    """Check that a configuration asks for a plausible number of layers, before the model is built.

    Raises:
        ModelError: the weights are quantised, or a number of layers is below one or far too large.
    """
    content = config.to_dict()
    if method := content.get("quantization_config"):
        name = method.get("quant_method") if isinstance(method, dict) else None
        raise ModelError(
            f"the weights of {where} are quantised ({name or 'quantization_config'}); load the "
            "model from before it was quantised"
        )
    most = max(MOST_LAYERS, len(tensors))
    for name, value in _numbers(content):
        if name in LAYER_COUNTS and value < 1:
            raise ModelError(f"config.json of {where} has {name} = {value}; a model has one layer at least")
        if "layer" in name and value > most:
            raise ModelError(
                f"config.json of {where} has {name} = {value}, but the checkpoint has {len(tensors)} tensors"
            )


def check_stored(skeleton: Any, tensors: Mapping[str, StoredTensor], where: str) -> None:
    """Check the shape and precision of every stored tensor that the model has under the same name.

    Raises:
        ModelError: names the tensor, and both shapes or the precision.
    """
    for name, expected in [*skeleton.named_parameters(), *skeleton.named_buffers()]:
        stored = next((tensors[key] for key in _aliases(skeleton, name) if key in tensors), None)
        if stored is None:
            continue
        if stored.shape != tuple(expected.shape):
            raise ModelError(
                f"{name} has the shape {_shape(stored.shape)} in {stored.file} of {where}, but config.json "
                f"asks for {_shape(expected.shape)}"
            )
        if expected.is_floating_point() and stored.dtype not in FLOATS:
            raise ModelError(
                f"{name} is stored as {stored.dtype} in {stored.file} of {where}; weights must be one of "
                f"{', '.join(FLOATS)}, so save the model without quantising it"
            )


def absent_parts(network: Any, missing: Iterable[str]) -> dict[str, list[str]]:
    """Return the modules that lack weights, by path, each with the names of its missing weights.

    A weight that lies in no module but the model itself, or in one of the model's blocks, belongs to the body.

    Raises:
        ModelError: a part of the body lacks weights.
    """
    parts: dict[str, list[str]] = {}
    missing = sorted(missing)
    for name in missing:
        path = name.rpartition(".")[0]
        if network.get_submodule(path) in (network, network.base_model) or _numbered(network, path):
            raise ModelError(f"the checkpoint lacks {few_of(missing)}")
        parts.setdefault(path, []).append(name)
    return {
        path: [name for other, names in parts.items() if f"{other}.".startswith(f"{path}.") for name in names]
        for path in parts
        if not any(f"{path}.".startswith(f"{other}.") for other in parts if other != path)
    }


def leave_out(network: Any, parts: Mapping[str, Iterable[str]]) -> None:
    """Replace each module that lacks weights with an :class:`Absent`."""
    for path, lacking in parts.items():
        parent, _, name = path.rpartition(".")
        setattr(network.get_submodule(parent), name, Absent(lacking))


@torch.no_grad()
def require_body(network: Any, inputs: Mapping[str, Any], missing: Iterable[str]) -> None:
    """Check with a forward pass that the output of the model's body does not depend on the parts left out.

    Raises:
        ModelError: names the weights that are missing.
    """
    values: list[Tensor] = []

    def watch(module: nn.Module, arguments: Any, output: Any) -> None:
        first = output if isinstance(output, Tensor) else output[0]
        values.append(first)

    body = network.base_model
    watched = [body] if body is not network else []
    watched += [block for blocks in body.modules() if isinstance(blocks, nn.ModuleList) for block in blocks]
    handles = [module.register_forward_hook(watch) for module in watched]
    try:
        output = network(**inputs)
        values += [output[0]] if body is network else []
    except Exception as error:
        raise ModelError(f"the checkpoint lacks {few_of(sorted(missing))}") from error
    finally:
        for handle in handles:
            handle.remove()
    if any(isinstance(value, Tensor) and bool(value.isnan().any()) for value in values):
        raise ModelError(f"the checkpoint lacks {few_of(sorted(missing))}")


def _numbers(content: Any) -> list[tuple[str, int]]:
    """Return the names and values of all integers in a configuration, including nested ones."""
    if not isinstance(content, dict):
        return []
    inner = [pair for value in content.values() for pair in _numbers(value)]
    return inner + [(k, v) for k, v in content.items() if isinstance(v, int) and not isinstance(v, bool)]


def _aliases(skeleton: Any, name: str) -> tuple[str, ...]:
    """Return the names that a tensor may have in checkpoints saved with and without the head."""
    prefix = f"{skeleton.base_model_prefix}."
    return (name, name.removeprefix(prefix), f"{prefix}{name}")


def _numbered(network: Any, path: str) -> bool:
    """Return whether a module lies inside a list of modules of the body, as the parts of a block do."""
    module: Any = network
    inside = False
    for step in path.split("."):
        if inside and isinstance(module, nn.ModuleList):
            return True
        module = getattr(module, step)
        inside = inside or module is network.base_model or network.base_model is network
    return False


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(str(size) for size in shape) or "a single value"
