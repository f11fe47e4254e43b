"""Sections of a report, built from records: each question with its sentences, tables and charts."""

from __future__ import annotations

from onegrain.reports.sections.comparison import area_rows, comparison_findings, comparison_section
from onegrain.reports.sections.importance import (
    contrast_findings,
    contrast_section,
    correlation_section,
    curves_by_task,
    importance_findings,
    importance_section,
)
from onegrain.reports.sections.localisation import (
    layers_findings,
    layers_section,
    localisation_findings,
    localisation_section,
    sharing_findings,
    sharing_section,
)
from onegrain.reports.sections.neurons import neurons_section
from onegrain.reports.sections.overview import models_section, summary_section
from onegrain.reports.sections.probe import probe_findings, probe_section
from onegrain.reports.sections.stability import stability_findings, stability_section

__all__ = [
    "area_rows",
    "comparison_findings",
    "comparison_section",
    "contrast_findings",
    "contrast_section",
    "correlation_section",
    "curves_by_task",
    "importance_findings",
    "importance_section",
    "layers_findings",
    "layers_section",
    "localisation_findings",
    "localisation_section",
    "models_section",
    "neurons_section",
    "probe_findings",
    "probe_section",
    "sharing_findings",
    "sharing_section",
    "stability_findings",
    "stability_section",
    "summary_section",
]
