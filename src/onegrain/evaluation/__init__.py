"""Evaluation of rankings: probes on the neurons that they rank first, stability and uniqueness."""

from __future__ import annotations

from onegrain.evaluation.evaluate import evaluate
from onegrain.evaluation.stability import stability
from onegrain.evaluation.uniqueness import uniqueness

__all__ = ["evaluate", "stability", "uniqueness"]
