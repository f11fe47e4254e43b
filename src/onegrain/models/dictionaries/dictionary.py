"""Learned dictionaries (sparse autoencoders) in the format of SAELens, which encode and decode a site's value.

``docs/dictionaries.md`` lists the supported kinds and their formulas.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from onegrain.core.sealing import reason
from onegrain.errors import MismatchError, ModelError, ParameterError
from onegrain.models.dictionaries.config import CONFIG, WEIGHTS, read_config, read_formula
from onegrain.models.dictionaries.formulas import (
    ENCODER_TENSORS,
    SCALING,
    Formula,
    decoder_rows,
    latents_of,
    normalize,
)
from onegrain.models.hashing import hash_tensors

__all__ = ["Dictionary", "load_dictionary"]


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A learned dictionary of one site.

    Attributes:
        folder: the folder that it was loaded from.
        formula: the computation of latents from a value.
        hook_name: TransformerLens's name of the site that it was trained on; empty if the file has none.
        identity: SHA-256 (hex) of its tensors by name and of its formula.
        weights: the tensors by name, float32, on the CPU. ``W_enc`` has shape (width_in, size), and ``W_dec``,
            if the file has a decoder, (size, width_in).
    """

    folder: Path
    formula: Formula
    hook_name: str
    identity: str
    weights: dict[str, Tensor] = field(repr=False)
    _placed: dict[torch.device, dict[str, Tensor]] = field(default_factory=dict, init=False, repr=False)

    @property
    def width_in(self) -> int:
        """The number of units of the site that the dictionary reads."""
        return self.formula.width_in

    @property
    def size(self) -> int:
        """The number of latents."""
        return self.formula.size

    @property
    def can_decode(self) -> bool:
        """True if the file has a decoder; without one, latents can be read but not edited."""
        return "W_dec" in self.weights

    def encode(self, values: Float[Tensor, "... width"]) -> Float[Tensor, "... latents"]:
        """Return the latents of a site's values, float32, on the values' device.

        The formula is SAELens's for the architecture. If latents are tied for the last of the k places of
        ``topk``, those with lower indices get them. A value with a NaN gives NaN for every latent, as does a
        value of zeros with ``constant_norm_rescale``.

        Args:
            values: the site's values, of any floating point dtype; the computation is in float32.

        Raises:
            MismatchError: the values have another width than the dictionary.
        """
        self._require_width(values)
        weights = self._on(values.device)
        normalized, _ = normalize(self.formula, values.to(torch.float32))
        if self.formula.subtracts_bias:
            normalized = normalized - weights["b_dec"]
        return latents_of(self.formula, weights, normalized)

    def decode_change(
        self,
        values: Float[Tensor, "... width"],
        latents_before: Float[Tensor, "... latents"],
        latents_after: Float[Tensor, "... latents"],
    ) -> Float[Tensor, "... width"]:
        """Return the site's values after an edit of their latents: the values plus the decoded change.

        The part of a value that the dictionary does not explain is kept. Values whose latents did not change
        (or were and are NaN) are returned bit for bit.

        Args:
            values: the site's values before the edit.
            latents_before: their latents, from :meth:`encode`.
            latents_after: the latents after the edit.

        Returns:
            Values of the same shape, dtype and device. The sum of half precision values is computed in float32
            and rounded once.

        Raises:
            ModelError: the dictionary has no decoder.
            MismatchError: the values have another width than the dictionary.
            ParameterError: the latents do not have the values' shape with ``size`` in place of the width.
        """
        if not self.can_decode:
            raise ModelError(
                f"{self.folder / WEIGHTS} has an encoder only: its latents can be read, not edited; "
                "give a file with W_dec"
            )
        self._require_width(values)
        self._require_latents(values, latents_before, latents_after)
        kept = (latents_after == latents_before) | (latents_after.isnan() & latents_before.isnan())
        edited = (~kept).reshape(-1, self.size).any(dim=0).nonzero().squeeze(1)
        difference = latents_after[..., edited].float() - latents_before[..., edited].float()
        difference = difference.masked_fill(kept[..., edited], 0.0)
        _, unit = normalize(self.formula, values.to(torch.float32))
        change = (difference @ self._on(values.device)["decoder"][edited]) * unit
        exact = torch.promote_types(values.dtype, torch.float32)
        changed = (values.to(exact) + change.to(exact)).to(values.dtype)
        return torch.where(kept.all(dim=-1, keepdim=True), values, changed)

    def _on(self, device: torch.device) -> dict[str, Tensor]:
        """Return the weights on a device, moved once; ``decoder`` is the result of :func:`decoder_rows`."""
        if device not in self._placed:
            placed = {name: tensor.to(device) for name, tensor in self.weights.items()}
            if self.can_decode:
                placed["decoder"] = decoder_rows(self.formula, placed)
            self._placed[device] = placed
        return self._placed[device]

    def _require_width(self, values: Tensor) -> None:
        if values.dim() == 0 or values.shape[-1] != self.width_in or not values.is_floating_point():
            site = f" ({self.hook_name})" if self.hook_name else ""
            raise MismatchError(
                f"the dictionary of {self.folder} reads floating point values of width {self.width_in}{site}, "
                f"got {values.dtype} of shape {tuple(values.shape)}; give it the site that it was trained on"
            )

    def _require_latents(self, values: Tensor, *latents: Tensor) -> None:
        expected = (*values.shape[:-1], self.size)
        for array in latents:
            if array.shape != expected:
                raise ParameterError(
                    f"values of shape {tuple(values.shape)} have latents of shape {expected} in {self.folder}, "
                    f"got {tuple(array.shape)}; edit what encode gave for these values"
                )


def load_dictionary(folder: str | os.PathLike[str]) -> Dictionary:
    """Load a dictionary that SAELens or onegrain saved: ``cfg.json`` and ``sae_weights.safetensors``.

    Supported are the architectures ``standard``, ``gated``, ``jumprelu`` and ``topk``, onegrain's ``linear``,
    every normalisation of SAELens, and files with an encoder only. A ``sparsity.safetensors`` in the folder is
    not read.

    Args:
        folder: a local folder.

    Raises:
        ModelError: a file is missing or damaged, a tensor is missing or its shape differs from the
            configuration, or the configuration has an unsupported value.
    """
    path = Path(folder)
    config = read_config(path)
    tensors = _read_weights(path / WEIGHTS)
    formula = read_formula(path, config, tensors)
    identity = hashlib.sha256(
        f"{hash_tensors(sorted(tensors.items()))} {formula.describe()}".encode()
    ).hexdigest()
    weights = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    if "log_threshold" in weights and "threshold" not in weights:  # older checkpoints of training
        weights["threshold"] = weights.pop("log_threshold").exp()
    _settle_scaling(path, weights, bool(config.get("finetuning_scaling_factor")))
    _check_tensors(path, formula, weights)
    return Dictionary(path, formula, str(config.get("hook_name") or ""), identity, weights)


def _read_weights(path: Path) -> dict[str, Tensor]:
    """Return every tensor of the file by name, as it is stored."""
    if not path.is_file():
        raise ModelError(f"no {path}; only weights in safetensors are read (SAELens: sae.save_model(folder))")
    try:
        tensors = load_file(path)
    except MemoryError:
        raise
    except Exception as error:  # errors of the reader, and of torch for an odd header
        raise ModelError(
            f"{path} is not a complete safetensors file ({reason(error)}); fetch or save it again"
        ) from error
    for name, tensor in sorted(tensors.items()):
        if not tensor.is_floating_point():
            raise ModelError(f"{path}: tensor {name!r} has dtype {tensor.dtype}; expected floating point")
        if bool(tensor.isnan().any()):
            raise ModelError(f"{path}: tensor {name!r} has values that are no numbers; fetch or save it again")
    return tensors


def _settle_scaling(folder: Path, weights: dict[str, Tensor], used: bool) -> None:
    """Store the factor on latents under its newest name if it is used, and remove it otherwise."""
    name = next((name for name in (SCALING, "scaling_factor") if name in weights), None)
    if name is None:
        if used and "W_dec" in weights:
            raise ModelError(
                f"{folder / CONFIG} says {SCALING}, but {WEIGHTS} has no such tensor; "
                "give the file that has it, or set it to false"
            )
        return
    factor = weights.pop(name)
    if used:
        weights[SCALING] = factor
    elif bool((factor != 1).any()):
        raise ModelError(
            f"{folder / WEIGHTS} has the tensor {name!r}, and {CONFIG} does not say that it is used; "
            f"set {SCALING} to true where the decoder needs it, or save without it"
        )


def _check_tensors(folder: Path, formula: Formula, weights: dict[str, Tensor]) -> None:
    """Check that the weights are the tensors that the formula needs, in the right shapes, and no others."""
    width, size = formula.width_in, formula.size
    shapes = {"W_enc": (width, size), "W_dec": (size, width), "b_dec": (width,)}
    needed = list(ENCODER_TENSORS[formula.architecture])
    needed += ["b_dec"] if formula.subtracts_bias else []
    needed += ["W_dec"] if formula.weighs_by_norm else []
    missing = [name for name in needed if name not in weights]
    if missing:
        raise ModelError(
            f"{folder / WEIGHTS} has no {', '.join(missing)}; {CONFIG} says {formula.describe()}, which needs "
            f"{', '.join(needed)}; there are {', '.join(sorted(weights)) or 'no tensors'}"
        )
    foreign = sorted(set(weights) - {*needed, "W_dec", "b_dec", SCALING})
    if foreign:
        raise ModelError(
            f"{folder / WEIGHTS} has {', '.join(foreign)}, which {formula.architecture!r} does not use; "
            f"is the architecture in {CONFIG} the right one?"
        )
    for name, tensor in sorted(weights.items()):
        expected = shapes.get(name, (size,))
        if tuple(tensor.shape) != expected:
            raise ModelError(
                f"{folder / WEIGHTS}: {name} has shape {tuple(tensor.shape)}, expected {expected} from "
                f"d_in {width} and d_sae {size} in {CONFIG}; is it of another dictionary, or transposed?"
            )
