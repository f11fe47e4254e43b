"""Sections of a report, built from records: each question with its answer, findings, tables and charts."""

from __future__ import annotations

from onegrain.reports.sections.comparison import area_rows, comparison_section
from onegrain.reports.sections.constants import constants_section
from onegrain.reports.sections.contrast import contrast_section
from onegrain.reports.sections.control import control_section
from onegrain.reports.sections.correlation import correlation_section
from onegrain.reports.sections.effects import effects_section
from onegrain.reports.sections.importance import importance_section
from onegrain.reports.sections.layers import layers_section
from onegrain.reports.sections.localisation import localisation_section
from onegrain.reports.sections.neurons import card_anchors, neurons_section
from onegrain.reports.sections.overview import models_section
from onegrain.reports.sections.probe import probe_cautions, probe_section
from onegrain.reports.sections.robustness import robustness_section
from onegrain.reports.sections.sharing import sharing_section
from onegrain.reports.sections.specificity import specificity_section
from onegrain.reports.sections.stability import stability_caution, stability_section
from onegrain.reports.sections.sweep import sweep_section
from onegrain.reports.sections.uniqueness import uniqueness_section

__all__ = [
    "area_rows",
    "card_anchors",
    "comparison_section",
    "constants_section",
    "contrast_section",
    "control_section",
    "correlation_section",
    "effects_section",
    "importance_section",
    "layers_section",
    "localisation_section",
    "models_section",
    "neurons_section",
    "probe_cautions",
    "probe_section",
    "robustness_section",
    "sharing_section",
    "specificity_section",
    "stability_caution",
    "stability_section",
    "sweep_section",
    "uniqueness_section",
]
