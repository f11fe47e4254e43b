"""The records of a report, and which of them belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onegrain.analyses.questions.damage import tasks
from onegrain.core.sealing import using
from onegrain.records.activations import Activations
from onegrain.records.control import Control
from onegrain.records.curve import Curve
from onegrain.records.effects import Effects
from onegrain.records.evaluation import Evaluation
from onegrain.records.ranking import Ranking
from onegrain.records.specificity import Specificity
from onegrain.records.stability import Stability
from onegrain.records.statistics import NeuronStatistics
from onegrain.records.sweep import Sweep
from onegrain.records.uniqueness import Uniqueness

__all__ = [
    "FEWEST_COMPARED",
    "Records",
    "curves_of",
    "has_mass",
    "keys_of",
    "left_out",
    "models_by_layer",
]

MASS_METHODS = ("lca",)
FEWEST_COMPARED = 2


@dataclass(frozen=True, eq=False)
class Records:
    """The records that a report is made from, at least one of them besides activations and evaluations.

    Attributes:
        rankings: (model, ordering) -> ranking, e.g. ``("nlm", "lca upos")``.
        curves: (model, ordering) -> curve.
        activations: model -> activations, for the words that move its neurons.
        models: model -> facts and training metrics, for the table of models.
        neurons: number of single neurons to show for each model.
        stabilities: (model, name of the record) -> how far a ranking depends on its sentences.
        evaluations: (model, name of the record) -> rankings of that model measured side by side; it is shown
            if ``rankings`` has them all, under their names.
        specificities: (model, name of the record) -> damage to the words of each label.
        effects: (model, name of the record) -> what edits do directly, and what is mediated.
        uniquenesses: (model, name of the record) -> rounds of ranking and taking away.
        constants: (model, name of the record) -> statistics with optimal constants.
        controls: (model, name of the record) -> how far neurons control a property of translations.
        left_out: one line for each file that the report does not show, with the reason.
        sweeps: (model, name of the record) -> several curves that were measured together.
    """

    rankings: Mapping[tuple[str, str], Ranking] = field(default_factory=dict)
    curves: Mapping[tuple[str, str], Curve] = field(default_factory=dict)
    activations: Mapping[str, Activations] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    neurons: int = 5
    stabilities: Mapping[tuple[str, str], Stability] = field(default_factory=dict)
    evaluations: Mapping[tuple[str, str], Evaluation] = field(default_factory=dict)
    specificities: Mapping[tuple[str, str], Specificity] = field(default_factory=dict)
    effects: Mapping[tuple[str, str], Effects] = field(default_factory=dict)
    uniquenesses: Mapping[tuple[str, str], Uniqueness] = field(default_factory=dict)
    constants: Mapping[tuple[str, str], NeuronStatistics] = field(default_factory=dict)
    controls: Mapping[tuple[str, str], Control] = field(default_factory=dict)
    left_out: Sequence[str] = ()
    sweeps: Mapping[tuple[str, str], Sweep] = field(default_factory=dict)


def has_mass(ranking: Ranking) -> bool:
    """Return True if a ranking's label scores are sizes of weights, so that its mass can be analysed."""
    return ranking.method in MASS_METHODS and bool(ranking.labels)


def models_by_layer(records: Records) -> dict[str, dict[str, tuple[str, str]]]:
    """Return label layer -> model -> key of its first ranking with mass, for layers of two or more models."""
    groups: dict[str, dict[str, tuple[str, str]]] = {}
    for key, ranking in records.rankings.items():
        if has_mass(ranking) and ranking.layer is not None:
            groups.setdefault(ranking.layer, {}).setdefault(key[0], key)
    return {layer: group for layer, group in groups.items() if len(group) > 1}


def left_out(records: Records) -> list[str]:
    """Return one line for each file and record that a report does not show, or not in every section."""
    return [*records.left_out, *_not_compared(records), *_not_contrasted(records)]


def _not_contrasted(records: Records) -> list[str]:
    """Name the rankings that the contrast of models leaves out, because it takes one for each model."""
    groups = models_by_layer(records)
    return [
        f"The contrast of models by {ranking.layer} takes one ranking of each model; {key[1]} of {key[0]} is "
        "left out of it."
        for key, ranking in records.rankings.items()
        if has_mass(ranking) and ranking.layer in groups and key not in groups[ranking.layer].values()
    ]


def _not_compared(records: Records) -> list[str]:
    """Name the evaluations that are not shown, and the rankings that they need."""
    sentences = []
    for (model, name), evaluation in records.evaluations.items():
        missing = [ranking for ranking, key in keys_of(records, model, evaluation).items() if key is None]
        if missing:
            sentences.append(
                f"The evaluation {name} of {model} is not shown, because rankings that it measured are not "
                f"here, or have another order: {', '.join(missing)}."
            )
        elif len(evaluation.names) < FEWEST_COMPARED:
            sentences.append(
                f"The evaluation {name} of {model} is not shown, because it measured one ranking, and there is "
                "nothing to compare that with; onegrain show prints it."
            )
    return sentences


def keys_of(records: Records, model: str, evaluation: Evaluation) -> dict[str, tuple[str, str] | None]:
    """Return for each ranking of an evaluation the key of the one with its name and order; None without."""
    same_model = {key: ranking for key, ranking in records.rankings.items() if key[0] == model}
    keys: dict[str, tuple[str, str] | None] = {}
    for name in evaluation.names:
        with using(f"the evaluation of {', '.join(evaluation.names)} of {model}"):
            order = evaluation.details["orders"].get(name)
        fitting = [key for key, ranking in same_model.items() if ranking.order_hash == order]
        named = [key for key in fitting if key[1] == name or key[1].startswith(f"{name} (")]
        keys[name] = next(iter(named), None)
    return keys


def curves_of(
    records: Records, keys: Mapping[str, tuple[str, str] | None], rankings: Mapping[str, Ranking]
) -> dict[str, Curve]:
    """Return the curves that were made by erasing these rankings, of the task that most of them share."""
    curves: dict[str, Curve] = {}
    for name, ranking in rankings.items():
        key = keys[name]
        fitting = [
            curve
            for other, curve in records.curves.items()
            if key is not None
            and other[0] == key[0]
            and (other[1] in (name, key[1]) or other[1].startswith(f"{name} ("))
            and curve.details.get("order") == ranking.order_hash
        ]
        if fitting:
            curves[name] = fitting[0]
    return max(tasks(curves), key=len, default={})
