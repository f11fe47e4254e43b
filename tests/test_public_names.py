"""The public names of onegrain: a change here is a change for users, and belongs in CHANGELOG.md."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import onegrain
from onegrain.cli import command_tree

PUBLIC = [
    "Accuracy",
    "Activations",
    "BLEU",
    "ChrF",
    "Clusters",
    "ConceptSearch",
    "Control",
    "Corpus",
    "Curve",
    "DocumentPerplexity",
    "Effects",
    "ElasticNetProbe",
    "ElasticNetRegressor",
    "Evaluation",
    "Intervention",
    "KLDivergence",
    "LabelLayer",
    "LogProbabilityDifference",
    "Method",
    "MinimalPairDifference",
    "MinimalPairs",
    "NeuronCards",
    "NeuronIndex",
    "NeuronSpace",
    "NeuronStatistics",
    "NeuronpediaRelease",
    "Perplexity",
    "Planted",
    "PlantedBenchmark",
    "PlantedCase",
    "PlantedNeurons",
    "Provenance",
    "PseudoPerplexity",
    "Ranking",
    "Request",
    "RunningExplorer",
    "Similarity",
    "Specificity",
    "Stability",
    "Sweep",
    "TrainingOptions",
    "Uniqueness",
    "ValueChange",
    "Where",
    "ablate",
    "ablate_rankings",
    "annotate_regex",
    "annotate_with",
    "annotate_words",
    "clusters",
    "compare_rankings",
    "contrast",
    "control",
    "control_task",
    "demo_study",
    "editing",
    "effects",
    "ending_lexicon",
    "erasing",
    "evaluate",
    "explore",
    "export_neuronpedia",
    "export_neurox",
    "extract",
    "import_neurox",
    "index_neurons",
    "layers",
    "live_activations",
    "load",
    "load_interventions",
    "load_model",
    "localisation",
    "mean_recovery",
    "neuron_cards",
    "neuron_statistics",
    "neuron_vote",
    "open_activations",
    "optimal_constants",
    "overlap",
    "planted",
    "planted_benchmark",
    "plot",
    "rank",
    "rank_together",
    "read_corpus",
    "read_parallel",
    "recovery",
    "register",
    "robustness",
    "run_study",
    "sandbox",
    "sandbox_change",
    "sandbox_pairs",
    "save_interventions",
    "search",
    "sharing",
    "significance",
    "similarity",
    "specificity",
    "stability",
    "steer",
    "sweep",
    "task_importance",
    "to_torch",
    "to_xarray",
    "top_words",
    "train_nlm",
    "train_nmt",
    "uniqueness",
    "universality",
    "value_lexicon",
    "verdict",
    "verify_activations",
    "without_redundant",
    "write_comparison",
    "write_folder_report",
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


VERBS = {
    "ablate": ["ablate", "verdict"],
    "analyse clusters": ["clusters", "without_redundant"],
    "analyse contrast": ["contrast"],
    "analyse importance": ["task_importance"],
    "analyse layers": ["layers"],
    "analyse localisation": ["localisation"],
    "analyse overlap": ["overlap"],
    "analyse sharing": ["sharing"],
    "analyse stability": ["stability"],
    "analyse universality": ["universality"],
    "analyse words": ["top_words"],
    "cards": ["neuron_cards"],
    "compare": ["ablate_rankings", "compare_rankings", "evaluate", "neuron_vote", "write_comparison"],
    "constants": ["optimal_constants"],
    "control": ["control", "sandbox_change", "value_lexicon"],
    "convert": ["export_neurox", "import_neurox"],
    "demo": ["demo_study", "run_study"],
    "effects": ["effects"],
    "explore": ["explore"],
    "extract": ["extract"],
    "index": ["index_neurons"],
    "neuronpedia": ["export_neuronpedia"],
    "rank": ["rank", "rank_together"],
    "report": ["write_folder_report"],
    "search": ["search"],
    "show": ["load"],
    "similarity": ["similarity"],
    "specificity": ["specificity"],
    "steer": ["steer"],
    "study": ["run_study"],
    "sweep": ["robustness", "significance", "sweep"],
    "train nlm": ["train_nlm"],
    "train nmt": ["train_nmt"],
    "uniqueness": ["uniqueness"],
}
"""The public functions that do the work of each verb."""
RUNS_A_STUDY = {"run_study": "walk_study"}
"""The verbs print what a run made and kept, which ``run_study`` does not return."""
MODULES = {"compare": "onegrain.cli.comparing", "rank": "onegrain.cli.ranking"}
"""The file that calls the functions of a verb, if it is not that of the verb."""


def verbs(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for verb, entry in command.commands.items():
        yield from verbs(entry, f"{name} {verb}".strip())


def test_every_verb_has_its_public_functions() -> None:
    assert sorted(name for name, _ in verbs(command_tree())) == sorted(VERBS)
    for functions in VERBS.values():
        assert set(functions) <= set(PUBLIC)


def test_every_verb_calls_its_public_functions() -> None:
    for name, command in verbs(command_tree()):
        function = inspect.unwrap(command.callback)
        module = import_module(MODULES[name]) if name in MODULES else inspect.getmodule(function)
        names = {
            node.name for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.alias)
        }
        for needed in VERBS[name]:
            assert RUNS_A_STUDY.get(needed, needed) in names, (name, needed)
