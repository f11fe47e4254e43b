"""Interventions: edits of neurons in a running model, and their effect on a metric."""

from __future__ import annotations

from onegrain.interventions.ablate import ablate
from onegrain.interventions.ablate_rankings import ablate_rankings
from onegrain.interventions.editing import editing, erasing
from onegrain.interventions.edits.edit import EDITS, NeuronEdit
from onegrain.interventions.orders import sweep_counts

__all__ = ["EDITS", "NeuronEdit", "ablate", "ablate_rankings", "editing", "erasing", "sweep_counts"]
