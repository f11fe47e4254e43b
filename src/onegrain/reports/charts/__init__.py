"""Charts as Vega-Lite (altair), one function per chart, for notebooks, reports and the explorer."""

from __future__ import annotations

from onegrain.reports.charts.answers import small_ablation, small_contrast, small_effective, small_sharing
from onegrain.reports.charts.clusters import cluster_sizes
from onegrain.reports.charts.comparison import comparison
from onegrain.reports.charts.constants import optimal_neurons
from onegrain.reports.charts.control import control_success
from onegrain.reports.charts.effects import effect_intervals
from onegrain.reports.charts.probe import kept_curve, lambda_grid
from onegrain.reports.charts.similarity import similarity_matrices
from onegrain.reports.charts.specificity import damage_matrix
from onegrain.reports.charts.spread import (
    effective_bars,
    jaccard_matrix,
    labels_by_site,
    mass_lines,
    rankings_by_site,
    sharing_bars,
    site_bars,
)
from onegrain.reports.charts.stability import rank_intervals
from onegrain.reports.charts.sweep import edit_panels, keep_panels, merit_dots
from onegrain.reports.charts.task import ablation, contrast_dots, contrast_sites, correlation_histogram
from onegrain.reports.charts.theme import finish
from onegrain.reports.charts.uniqueness import uniqueness_rounds

__all__ = [
    "ablation",
    "cluster_sizes",
    "comparison",
    "contrast_dots",
    "contrast_sites",
    "control_success",
    "correlation_histogram",
    "damage_matrix",
    "edit_panels",
    "effect_intervals",
    "effective_bars",
    "finish",
    "jaccard_matrix",
    "keep_panels",
    "kept_curve",
    "labels_by_site",
    "lambda_grid",
    "mass_lines",
    "merit_dots",
    "optimal_neurons",
    "rank_intervals",
    "rankings_by_site",
    "sharing_bars",
    "similarity_matrices",
    "site_bars",
    "small_ablation",
    "small_contrast",
    "small_effective",
    "small_sharing",
    "uniqueness_rounds",
]
