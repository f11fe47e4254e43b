"""The formulas of learned dictionaries: latents of a site's value, and the contribution of a latent to it.

Except for ``linear`` they are those of SAELens (``sae_lens/saes``; before version 6 ``sae_lens/sae.py``).
``linear`` is onegrain's, for directions that another method computes, such as SVCCA [Raghu17]. Dictionaries of
the kind ``standard`` are due to Bricken et al. (2023), ``gated`` to Rajamanoharan et al. (2024a), ``jumprelu``
to Rajamanoharan et al. (2024b) and ``topk`` to Gao et al. (2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

__all__ = [
    "ENCODER_TENSORS",
    "SCALING",
    "Activation",
    "Architecture",
    "Formula",
    "Normalization",
    "decoder_rows",
    "latents_of",
    "normalize",
]

Architecture = Literal["standard", "gated", "jumprelu", "topk", "linear"]
Activation = Literal["relu", "tanh-relu", "identity"]
Normalization = Literal["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"]

ENCODER_TENSORS: dict[Architecture, tuple[str, ...]] = {
    "standard": ("W_enc", "b_enc"),
    "topk": ("W_enc", "b_enc"),
    "jumprelu": ("W_enc", "b_enc", "threshold"),
    "gated": ("W_enc", "b_gate", "r_mag", "b_mag"),
    "linear": ("W_enc",),
}
"""The tensors of the encoder of each architecture."""

SCALING = "finetuning_scaling_factor"
"""The tensor that multiplies latents before the decoder, in files from before SAELens 6."""

STABILISER = 1e-5
"""A constant that ``layer_norm`` adds to the standard deviation, for encoding only."""


@dataclass(frozen=True)
class Formula:
    """The computation of latents from a site's value.

    Attributes:
        architecture: ``standard``, ``gated``, ``jumprelu``, ``topk`` or ``linear``.
        width_in: number of units of the site, SAELens's ``d_in``.
        size: number of latents, SAELens's ``d_sae``.
        activation: the function after the encoder's linear map; ``identity`` for ``linear`` only.
        k: number of latents that ``topk`` keeps.
        subtracts_bias: True if the decoder's bias is subtracted from the (normalised) value first.
        normalization: the normalisation of the value, which comes before.
        scale: the factor of ``expected_average_only_in``.
        weighs_by_norm: True if ``topk`` multiplies latents by the norms of their decoder rows.
    """

    architecture: Architecture
    width_in: int
    size: int
    activation: Activation = "relu"
    k: int | None = None
    subtracts_bias: bool = True
    normalization: Normalization = "none"
    scale: float = 1.0
    weighs_by_norm: bool = False

    def describe(self) -> str:
        """Return one line that is equal for two formulas only if they compute the same."""
        facts: list[str] = [self.architecture, self.activation]
        facts += [f"k={self.k}"] if self.k is not None else []
        facts += ["weighs by norm"] if self.weighs_by_norm else []
        facts += ["subtracts bias"] if self.subtracts_bias else []
        facts += [f"normalization={self.normalization}"] if self.normalization != "none" else []
        facts += [f"scale={self.scale!r}"] if self.normalization == "expected_average_only_in" else []
        return ", ".join(facts)


def normalize(formula: Formula, values: Tensor) -> tuple[Tensor, Tensor | float]:
    """Return the values normalised for the encoder, and the factor that undoes the scaling."""
    if formula.normalization == "expected_average_only_in":
        return values * formula.scale, 1 / formula.scale
    if formula.normalization == "constant_norm_rescale":
        factor = formula.width_in**0.5 / values.norm(dim=-1, keepdim=True)
        return values * factor, 1 / factor
    if formula.normalization == "layer_norm":
        centred = values - values.mean(dim=-1, keepdim=True)
        deviation = centred.std(dim=-1, keepdim=True)
        return centred / (deviation + STABILISER), deviation
    return values, 1.0


def latents_of(
    formula: Formula, weights: Mapping[str, Tensor], inputs: Float[Tensor, "... width"]
) -> Float[Tensor, "... latents"]:
    """Return the latents of normalised and centred values: encoder and activation."""
    linear = inputs @ weights["W_enc"]
    if formula.architecture == "linear":
        return linear
    if formula.architecture == "gated":
        magnitudes = linear * weights["r_mag"].exp() + weights["b_mag"]
        return _activate(formula, magnitudes) * (linear + weights["b_gate"] > 0)
    linear = linear + weights["b_enc"]
    if formula.architecture == "jumprelu":
        return _activate(formula, linear) * (linear > weights["threshold"])
    if formula.k is not None:
        linear = linear * _norms(weights) if formula.weighs_by_norm else linear
        return _activate(formula, linear) * _largest(linear, formula.k)
    return _activate(formula, linear)


def _activate(formula: Formula, linear: Tensor) -> Tensor:
    return linear.relu().tanh() if formula.activation == "tanh-relu" else linear.relu()


def _largest(linear: Float[Tensor, "... latents"], k: int) -> Bool[Tensor, "... latents"]:
    """Return a mask of the k largest latents; of equal ones, the first are chosen."""
    last = linear.topk(k, dim=-1).values.amin(dim=-1, keepdim=True)
    above, level = linear > last, linear == last
    remaining = k - above.sum(dim=-1, keepdim=True)
    return above | (level & (level.cumsum(dim=-1) <= remaining))


def decoder_rows(formula: Formula, weights: Mapping[str, Tensor]) -> Float[Tensor, "latents width"]:
    """Return the contribution of a latent of 1 to a normalised value, (size, width_in)."""
    decoder = weights["W_dec"]
    if formula.weighs_by_norm:
        decoder = decoder / _norms(weights).unsqueeze(1)
    if SCALING in weights:
        decoder = decoder * weights[SCALING].unsqueeze(1)
    return decoder


def _norms(weights: Mapping[str, Tensor]) -> Float[Tensor, " latents"]:
    return weights["W_dec"].norm(dim=-1)
