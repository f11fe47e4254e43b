"""Interventions: edits of neurons in a running model, and their effect on a metric."""

from __future__ import annotations

from onegrain.interventions.ablate import ablate
from onegrain.interventions.ablate_rankings import ablate_rankings
from onegrain.interventions.checkpoint import checkpoint_beside
from onegrain.interventions.control import control
from onegrain.interventions.editing import editing, erasing
from onegrain.interventions.edits.edit import NeuronEdit
from onegrain.interventions.edits.registry import EDITS, parse_edit
from onegrain.interventions.effects import effects
from onegrain.interventions.intervention import Intervention, load_interventions, save_interventions
from onegrain.interventions.measuring import measure_interventions
from onegrain.interventions.noise import batching_noise
from onegrain.interventions.optimal_constants import optimal_constants
from onegrain.interventions.orders import sweep_counts
from onegrain.interventions.references import neuron_statistics
from onegrain.interventions.specificity import specificity
from onegrain.interventions.steer import steer
from onegrain.interventions.steering import Steering
from onegrain.interventions.stopping import StopWhen
from onegrain.interventions.sweep import sweep
from onegrain.interventions.where import Where

__all__ = [
    "EDITS",
    "Intervention",
    "NeuronEdit",
    "Steering",
    "StopWhen",
    "Where",
    "ablate",
    "ablate_rankings",
    "batching_noise",
    "checkpoint_beside",
    "control",
    "editing",
    "effects",
    "erasing",
    "load_interventions",
    "measure_interventions",
    "neuron_statistics",
    "optimal_constants",
    "parse_edit",
    "save_interventions",
    "specificity",
    "steer",
    "sweep",
    "sweep_counts",
]
