"""The public names of onegrain: a change here is a change for users, and belongs in CHANGELOG.md."""

from __future__ import annotations

import ast
from pathlib import Path

import onegrain

PUBLIC = [
    "Activations",
    "BLEU",
    "ChrF",
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
    "plot",
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


def test_the_public_names_are_these() -> None:
    assert onegrain.__all__ == PUBLIC


def test_every_public_name_loads_and_is_the_one_of_its_home() -> None:
    for name in PUBLIC:
        value = getattr(onegrain, name)
        assert value.__module__.startswith("onegrain."), name
        assert name in dir(onegrain)


def test_type_checkers_see_the_public_names() -> None:
    """A stub file passes on only what it imports as itself."""
    stub = ast.parse(Path(onegrain.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    aliases = [alias for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(alias.name for alias in aliases) == PUBLIC
    assert [alias.name for alias in aliases if alias.asname != alias.name] == []


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(onegrain, "no_such_name")
