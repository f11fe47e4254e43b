"""Tiny dictionaries with random weights, in the files that several versions of SAELens write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

__all__ = ["SIZE", "WIDTH", "config_v4", "config_v6", "random_weights", "save_dictionary"]

WIDTH = 16
SIZE = 40


def config_v6(architecture: str = "standard", **changes: Any) -> dict[str, Any]:
    """Return the content of ``cfg.json`` as SAELens 6 writes it."""
    return {
        "d_in": WIDTH,
        "d_sae": SIZE,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.21.0",
            "hook_name": "blocks.1.hook_resid_post",
            "model_name": "gpt2",
            "hook_head_index": None,
            "model_from_pretrained_kwargs": {"center_writing_weights": False},
            "prepend_bos": True,
        },
        "architecture": architecture,
        **({"k": 5, "rescale_acts_by_decoder_norm": False} if architecture == "topk" else {}),
        **changes,
    }


def config_v4(architecture: str = "standard", **changes: Any) -> dict[str, Any]:
    """Return the content of ``cfg.json`` as SAELens 3 to 5 write it."""
    return {
        "architecture": architecture,
        "d_in": WIDTH,
        "d_sae": SIZE,
        "dtype": "float32",
        "device": "cuda",
        "model_name": "gpt2-small",
        "hook_name": "blocks.1.hook_resid_pre",
        "hook_layer": 1,
        "hook_head_index": None,
        "activation_fn_str": "relu",
        "activation_fn_kwargs": {},
        "apply_b_dec_to_input": True,
        "finetuning_scaling_factor": False,
        "sae_lens_training_version": "4.4.5",
        "normalize_activations": "none",
        "model_from_pretrained_kwargs": {},
        "l1_coefficient": 4,
        **changes,
    }


def random_weights(architecture: str = "standard", *, seed: int = 0) -> dict[str, Tensor]:
    """Return every tensor of an architecture, drawn so that about half the latents are active."""
    source = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=source)

    weights = {
        "W_enc": draw(WIDTH, SIZE) / 4,
        "W_dec": draw(SIZE, WIDTH),
        "b_dec": 0.5 * draw(WIDTH),
    }
    biases = {"gated": ("b_gate", "b_mag", "r_mag"), "jumprelu": ("b_enc", "threshold"), "linear": ()}
    for name in biases.get(architecture, ("b_enc",)):
        weights[name] = 0.3 * draw(SIZE)
    if architecture == "jumprelu":
        weights["threshold"] = weights["threshold"].abs() + 0.1
    return weights


def save_dictionary(folder: Path, config: dict[str, Any], weights: dict[str, Tensor]) -> Path:
    """Write the configuration and the weights into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file(
        {name: tensor.contiguous() for name, tensor in weights.items()}, folder / "sae_weights.safetensors"
    )
    return folder
