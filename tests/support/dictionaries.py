"""Dictionaries on disk, and their formulas one value at a time."""

from __future__ import annotations

import json
import math

import numpy as np
import torch

from onegrain.models.dictionaries.dictionary import load_dictionary
from support.saelens import WIDTH, config_v6, random_weights, save_dictionary

ARCHITECTURES = ["standard", "gated", "jumprelu", "topk", "linear"]

NORMALIZATIONS = ["none", "expected_average_only_in", "constant_norm_rescale", "layer_norm"]

SCALE = 0.37


def saved(folder, architecture="standard", weights=None, **changes):
    """A dictionary of SAELens 6, loaded."""
    config = config_v6(architecture, **changes)
    save_dictionary(folder, config, random_weights(architecture) if weights is None else weights)
    if config["normalize_activations"] == "expected_average_only_in":
        (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": SCALE}))
    return load_dictionary(folder)


def by_hand(weights, row, architecture, *, subtract=True, normalization="none", k=5, activation="relu"):
    """Latents of one value and the unit of its decoder, in float64, unit by unit."""
    w = {name: tensor.double().numpy() for name, tensor in weights.items()}
    x, unit = [float(value) for value in row], 1.0
    if normalization == "expected_average_only_in":
        x, unit = [value * SCALE for value in x], 1 / SCALE
    if normalization == "constant_norm_rescale":
        unit = math.sqrt(sum(value**2 for value in x)) / math.sqrt(len(x))
        x = [value / unit for value in x]
    if normalization == "layer_norm":
        mean = sum(x) / len(x)
        unit = math.sqrt(sum((value - mean) ** 2 for value in x) / (len(x) - 1))
        x = [(value - mean) / (unit + 1e-5) for value in x]
    if subtract:
        x = [value - bias for value, bias in zip(x, w["b_dec"], strict=True)]
    relu = (lambda z: math.tanh(max(z, 0.0))) if activation == "tanh-relu" else (lambda z: max(z, 0.0))
    latents = []
    for j in range(w["W_enc"].shape[1]):
        if architecture == "gated":
            gate = sum(x[i] * w["W_enc"][i, j] for i in range(len(x))) + w["b_gate"][j]
            size = sum(x[i] * w["W_enc"][i, j] * math.exp(w["r_mag"][j]) for i in range(len(x))) + w["b_mag"][j]
            latents.append(relu(size) if gate > 0 else 0.0)
            continue
        z = sum(x[i] * w["W_enc"][i, j] for i in range(len(x)))
        if architecture == "linear":
            latents.append(z)
            continue
        z += w["b_enc"][j]
        if architecture == "jumprelu":
            z = z if z > w["threshold"][j] else 0.0
        latents.append(z if architecture == "topk" else relu(z))
    if architecture == "topk":
        first = sorted(range(len(latents)), key=lambda j: (-latents[j], j))[:k]
        latents = [relu(z) if j in first else 0.0 for j, z in enumerate(latents)]
    return np.array(latents), unit


def expected(weights, values, architecture, **options):
    """:func:`by_hand` for every value: latents and units."""
    pairs = [by_hand(weights, row, architecture, **options) for row in values.reshape(-1, WIDTH)]
    latents = torch.tensor(np.array([pair[0] for pair in pairs]), dtype=torch.float32)
    units = torch.tensor([pair[1] for pair in pairs], dtype=torch.float32)
    return latents.reshape(*values.shape[:-1], -1), units.reshape(*values.shape[:-1], 1)


def close(actual, wanted):
    torch.testing.assert_close(actual, wanted, rtol=1e-5, atol=2e-6)
