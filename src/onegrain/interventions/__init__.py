"""Interventions: edits of neurons in a running model, and their effect on a metric."""

from __future__ import annotations

from onegrain.interventions.ablate import ablate
from onegrain.interventions.ablate_rankings import ablate_rankings
from onegrain.interventions.editing import editing, erasing
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import EDITS, parse_edit
from onegrain.interventions.intervention import Intervention, load_interventions, save_interventions
from onegrain.interventions.orders import sweep_counts
from onegrain.interventions.references import neuron_statistics
from onegrain.interventions.where import Where

__all__ = [
    "EDITS",
    "Intervention",
    "NeuronEdit",
    "Where",
    "ablate",
    "ablate_rankings",
    "editing",
    "erasing",
    "load_interventions",
    "neuron_statistics",
    "parse_edit",
    "save_interventions",
    "sweep_counts",
]
