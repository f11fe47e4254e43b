"""Pure functions of records: the four questions of [Dalvi19], layers, words, clusters, agreement."""

from __future__ import annotations

from onegrain.analyses.judging.agreement import (
    agreement,
    judges_among,
    overlap,
    rank_agreement,
    spearman_interval,
)
from onegrain.analyses.judging.areas import Areas, ablation_areas, kept_areas
from onegrain.analyses.judging.comparison import Comparison, compare_rankings
from onegrain.analyses.judging.verdict import verdict
from onegrain.analyses.judging.voting import neuron_vote, vote_agreement
from onegrain.analyses.neurons.cards import neuron_cards
from onegrain.analyses.neurons.correlation_map import correlation_map
from onegrain.analyses.neurons.heat import Heat, heat
from onegrain.analyses.neurons.universality import universality
from onegrain.analyses.neurons.words import NeuronWords, top_words
from onegrain.analyses.questions.contrast import Contrast, contrast
from onegrain.analyses.questions.damage import damage
from onegrain.analyses.questions.importance import TaskImportance, half_lost, task_importance
from onegrain.analyses.questions.layers import layers, layers_by_label
from onegrain.analyses.questions.localisation import localisation, mass_curves, open_against_closed
from onegrain.analyses.questions.sharing import Sharing, sharing
from onegrain.analyses.questions.topsets import chance_overlap, top_sets
from onegrain.analyses.redundancy.clusters import clusters
from onegrain.analyses.redundancy.without_redundant import without_redundant
from onegrain.analyses.sweeps.robustness import Robustness, robustness
from onegrain.analyses.sweeps.significance import Significance, significance

__all__ = [
    "Areas",
    "Comparison",
    "Contrast",
    "Heat",
    "NeuronWords",
    "Robustness",
    "Sharing",
    "Significance",
    "TaskImportance",
    "ablation_areas",
    "agreement",
    "chance_overlap",
    "clusters",
    "compare_rankings",
    "contrast",
    "correlation_map",
    "damage",
    "half_lost",
    "heat",
    "judges_among",
    "kept_areas",
    "layers",
    "layers_by_label",
    "localisation",
    "mass_curves",
    "neuron_cards",
    "neuron_vote",
    "open_against_closed",
    "overlap",
    "rank_agreement",
    "robustness",
    "sharing",
    "significance",
    "spearman_interval",
    "task_importance",
    "top_sets",
    "top_words",
    "universality",
    "verdict",
    "vote_agreement",
    "without_redundant",
]
