"""Interventions: erasing neurons in a running model, and what that does to a metric."""

from __future__ import annotations

from onegrain.interventions.ablate import LINES, ablate, sweep_counts
from onegrain.interventions.ablate_rankings import ablate_rankings
from onegrain.interventions.editing import erasing
from onegrain.interventions.edits.edit import EDITS, NeuronEdit

__all__ = ["EDITS", "LINES", "NeuronEdit", "ablate", "ablate_rankings", "erasing", "sweep_counts"]
