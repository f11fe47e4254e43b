"""The folder of SmolLM2-135M for the benchmarks, and its residual and MLP sites."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["SMOLLM2_SITES", "smollm2_folder"]

SMOLLM2_SITES = ["layers.*", "layers.*.mlp"]
"""The 60 residual and MLP sites: 63,360 neurons."""


def smollm2_folder() -> Path:
    """Return the folder of SmolLM2's weights and tokenizer, as the environment names it."""
    models = os.environ.get("ONEGRAIN_MODELS", Path(__file__).parents[2] / "shared" / "models")
    folder = Path(os.environ.get("ONEGRAIN_BENCH_SMOLLM2", Path(models) / "smollm2"))
    if not (folder / "config.json").is_file():
        raise SystemExit(
            f"no model at {folder}; name the folder of SmolLM2-135M (config.json, model.safetensors and the "
            "tokenizer) in ONEGRAIN_BENCH_SMOLLM2, or the folder that holds it in ONEGRAIN_MODELS"
        )
    return folder
