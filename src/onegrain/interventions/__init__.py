"""Interventions: erasing neurons in a running model, and what that does to a metric."""

from __future__ import annotations

from onegrain.interventions.edits import EDITS, NeuronEdit
from onegrain.interventions.erasing import erasing
from onegrain.interventions.sweep import LINES, ablate, sweep_counts

__all__ = ["EDITS", "LINES", "NeuronEdit", "ablate", "erasing", "sweep_counts"]
