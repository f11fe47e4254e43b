"""onegrain: find, rank, erase and show the individual neurons of language and translation models.

Every public name is loaded when it is first used, so ``import onegrain`` loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onegrain.activations import (
        extract,
        live_activations,
        open_activations,
        to_torch,
        to_xarray,
        verify_activations,
    )
    from onegrain.analyses import clusters, compare_rankings, neuron_cards, neuron_vote, without_redundant
    from onegrain.corpora import (
        annotate_regex,
        annotate_with,
        annotate_words,
        control_task,
        read_corpus,
        read_parallel,
    )
    from onegrain.evaluation import evaluate, stability
    from onegrain.formats import NeuronpediaRelease, export_neuronpedia, export_neurox, import_neurox
    from onegrain.interventions import ablate, erasing
    from onegrain.library import load
    from onegrain.metrics import BLEU, Perplexity
    from onegrain.models import TrainingOptions, load_model, train_nlm, train_nmt
    from onegrain.rankings import Method, Request, rank, rank_together, register, similarity
    from onegrain.rankings.elastic_net.estimators import ElasticNetProbe, ElasticNetRegressor
    from onegrain.records.activations import Activations
    from onegrain.records.cards import NeuronCards
    from onegrain.records.clusters import Clusters
    from onegrain.records.corpus import Corpus, LabelLayer
    from onegrain.records.curve import Curve
    from onegrain.records.evaluation import Evaluation
    from onegrain.records.provenance import Provenance
    from onegrain.records.ranking import Ranking
    from onegrain.records.similarity import Similarity
    from onegrain.records.space import NeuronSpace
    from onegrain.records.stability import Stability
    from onegrain.studies import run_study
    from onegrain.synthetic import (
        Planted,
        PlantedBenchmark,
        PlantedCase,
        PlantedNeurons,
        mean_recovery,
        planted,
        planted_benchmark,
        recovery,
        sandbox,
    )

_HOMES = {
    "Activations": "onegrain.records.activations",
    "BLEU": "onegrain.metrics",
    "Clusters": "onegrain.records.clusters",
    "Corpus": "onegrain.records.corpus",
    "Curve": "onegrain.records.curve",
    "ElasticNetProbe": "onegrain.rankings.elastic_net.estimators",
    "ElasticNetRegressor": "onegrain.rankings.elastic_net.estimators",
    "Evaluation": "onegrain.records.evaluation",
    "LabelLayer": "onegrain.records.corpus",
    "Method": "onegrain.rankings",
    "NeuronCards": "onegrain.records.cards",
    "NeuronSpace": "onegrain.records.space",
    "NeuronpediaRelease": "onegrain.formats",
    "Perplexity": "onegrain.metrics",
    "Planted": "onegrain.synthetic",
    "PlantedBenchmark": "onegrain.synthetic",
    "PlantedCase": "onegrain.synthetic",
    "PlantedNeurons": "onegrain.synthetic",
    "Provenance": "onegrain.records.provenance",
    "Ranking": "onegrain.records.ranking",
    "Request": "onegrain.rankings",
    "Similarity": "onegrain.records.similarity",
    "Stability": "onegrain.records.stability",
    "TrainingOptions": "onegrain.models",
    "ablate": "onegrain.interventions",
    "annotate_regex": "onegrain.corpora",
    "annotate_with": "onegrain.corpora",
    "annotate_words": "onegrain.corpora",
    "clusters": "onegrain.analyses",
    "compare_rankings": "onegrain.analyses",
    "control_task": "onegrain.corpora",
    "erasing": "onegrain.interventions",
    "evaluate": "onegrain.evaluation",
    "export_neuronpedia": "onegrain.formats",
    "export_neurox": "onegrain.formats",
    "extract": "onegrain.activations",
    "import_neurox": "onegrain.formats",
    "live_activations": "onegrain.activations",
    "load": "onegrain.library",
    "load_model": "onegrain.models",
    "mean_recovery": "onegrain.synthetic",
    "neuron_cards": "onegrain.analyses",
    "neuron_vote": "onegrain.analyses",
    "open_activations": "onegrain.activations",
    "planted": "onegrain.synthetic",
    "planted_benchmark": "onegrain.synthetic",
    "rank": "onegrain.rankings",
    "rank_together": "onegrain.rankings",
    "read_corpus": "onegrain.corpora",
    "read_parallel": "onegrain.corpora",
    "recovery": "onegrain.synthetic",
    "register": "onegrain.rankings",
    "run_study": "onegrain.studies",
    "sandbox": "onegrain.synthetic",
    "similarity": "onegrain.rankings",
    "stability": "onegrain.evaluation",
    "to_torch": "onegrain.activations",
    "to_xarray": "onegrain.activations",
    "train_nlm": "onegrain.models",
    "train_nmt": "onegrain.models",
    "verify_activations": "onegrain.activations",
    "without_redundant": "onegrain.analyses",
}

__all__ = [
    "BLEU",
    "Activations",
    "Clusters",
    "Corpus",
    "Curve",
    "ElasticNetProbe",
    "ElasticNetRegressor",
    "Evaluation",
    "LabelLayer",
    "Method",
    "NeuronCards",
    "NeuronSpace",
    "NeuronpediaRelease",
    "Perplexity",
    "Planted",
    "PlantedBenchmark",
    "PlantedCase",
    "PlantedNeurons",
    "Provenance",
    "Ranking",
    "Request",
    "Similarity",
    "Stability",
    "TrainingOptions",
    "ablate",
    "annotate_regex",
    "annotate_with",
    "annotate_words",
    "clusters",
    "compare_rankings",
    "control_task",
    "erasing",
    "evaluate",
    "export_neuronpedia",
    "export_neurox",
    "extract",
    "import_neurox",
    "live_activations",
    "load",
    "load_model",
    "mean_recovery",
    "neuron_cards",
    "neuron_vote",
    "open_activations",
    "planted",
    "planted_benchmark",
    "rank",
    "rank_together",
    "read_corpus",
    "read_parallel",
    "recovery",
    "register",
    "run_study",
    "sandbox",
    "similarity",
    "stability",
    "to_torch",
    "to_xarray",
    "train_nlm",
    "train_nmt",
    "verify_activations",
    "without_redundant",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'onegrain' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
