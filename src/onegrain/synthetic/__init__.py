"""Data with known answers: the sandbox language, and activations in which neurons are planted."""

from __future__ import annotations

from onegrain.synthetic.planted.activations import Planted, planted
from onegrain.synthetic.planted.benchmark import PlantedBenchmark, PlantedCase, planted_benchmark
from onegrain.synthetic.planted.neurons import PlantedNeurons
from onegrain.synthetic.planted.recovery import mean_recovery, recovery
from onegrain.synthetic.sandbox import SandboxParts, sandbox, sandbox_change, sandbox_pairs, sandbox_parts

__all__ = [
    "Planted",
    "PlantedBenchmark",
    "PlantedCase",
    "PlantedNeurons",
    "SandboxParts",
    "mean_recovery",
    "planted",
    "planted_benchmark",
    "recovery",
    "sandbox",
    "sandbox_change",
    "sandbox_pairs",
    "sandbox_parts",
]
