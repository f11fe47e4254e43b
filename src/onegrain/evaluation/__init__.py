"""Evaluation of rankings: probes on the neurons that they rank first, and stability over sentences."""

from __future__ import annotations

from onegrain.evaluation.evaluate import evaluate
from onegrain.evaluation.stability import stability

__all__ = ["evaluate", "stability"]
