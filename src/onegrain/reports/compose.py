"""A whole report from whichever records there are: a section appears where its data do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onegrain.analyses.comparison import compare_rankings
from onegrain.analyses.contrast import contrast
from onegrain.analyses.importance import task_importance, tasks
from onegrain.core.activations import Activations
from onegrain.core.curve import Curve
from onegrain.core.evaluation import Evaluation
from onegrain.core.provenance import Provenance
from onegrain.core.ranking import Ranking
from onegrain.core.stability import Stability
from onegrain.errors import ParameterError
from onegrain.reports import sections as build
from onegrain.reports.blocks import Section
from onegrain.reports.report import Report

__all__ = ["Records", "compose"]

CORRELATIONS = ("maxcorr", "mincorr")
MASS_METHODS = ("lca",)


@dataclass(frozen=True, eq=False)
class Records:
    """What a report is made from; all but the rankings may be empty.

    Attributes:
        rankings: (model, ordering) -> ranking, e.g. ``("nlm", "lca upos")``.
        curves: (model, ordering) -> curve.
        activations: model -> activations, for the words that move its neurons.
        models: model -> facts and training metrics, for the table of models.
        neurons: how many single neurons to show a model.
        stabilities: (model, name of the record) -> how far a ranking depends on its sentences.
        evaluations: (model, name of the record) -> rankings of that model measured side by side; it is shown
            where ``rankings`` has them all, under their names.
    """

    rankings: Mapping[tuple[str, str], Ranking] = field(default_factory=dict)
    curves: Mapping[tuple[str, str], Curve] = field(default_factory=dict)
    activations: Mapping[str, Activations] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    neurons: int = 5
    stabilities: Mapping[tuple[str, str], Stability] = field(default_factory=dict)
    evaluations: Mapping[tuple[str, str], Evaluation] = field(default_factory=dict)


def compose(title: str, records: Records) -> Report:
    """Build the report: summary, models, probes, stability, questions, comparisons, neurons, provenance.

    Raises:
        ParameterError: there is no ranking, curve or stability.
    """
    if not records.rankings and not records.curves and not records.stabilities:
        raise ParameterError("a report needs at least one ranking or curve; rank or ablate a model first")
    probes = {" ".join(key): r for key, r in records.rankings.items() if r.method in MASS_METHODS and r.labels}
    groups = _groups(records)
    stabilities = {" ".join(key): found for key, found in records.stabilities.items()}
    findings = [
        *build.probe_findings(probes),
        *build.stability_findings(stabilities),
        *build.localisation_findings(probes),
        *build.sharing_findings(probes),
    ]
    for group in groups.values():
        findings += build.contrast_findings(contrast(group))
    for (model, _), own in build.curves_by_task(records.curves).items():
        findings += build.importance_findings(model, task_importance(own))
    compared = _comparisons(records)
    findings += [finding for found in compared for finding in found.findings]
    parts = [build.summary_section(findings)] if findings else []
    parts += [build.models_section(records.models)] if records.models else []
    parts += [build.probe_section(probes)] if probes else []
    parts += [build.stability_section(stabilities)] if stabilities else []
    parts += [build.localisation_section(probes), build.sharing_section(probes)] if probes else []
    parts += [_named(build.contrast_section(group), layer, len(groups)) for layer, group in groups.items()]
    parts += _correlations(records)
    if records.curves:
        parts.append(build.importance_section(records.curves, records.rankings))
    parts += [found.section for found in compared]
    if records.rankings:
        parts.append(build.layers_section({" ".join(key): r for key, r in records.rankings.items()}))
    return Report(title, [*parts, *_neurons(records)], _provenance(records))


def _groups(records: Records) -> dict[str, dict[str, Ranking]]:
    """Label layer -> model -> its LCA ranking, for the layers that two or more models have."""
    groups: dict[str, dict[str, Ranking]] = {}
    for (model, _), ranking in records.rankings.items():
        if ranking.method in MASS_METHODS and ranking.labels and ranking.layer is not None:
            groups.setdefault(ranking.layer, {}).setdefault(model, ranking)
    return {layer: group for layer, group in groups.items() if len(group) > 1}


def _named(section: Section, layer: str, many: int) -> Section:
    if many < 2:
        return section
    return Section(f"{section.title}: {layer}", section.blocks, f"{section.anchor}-{layer}")


def _correlations(records: Records) -> list[Section]:
    found = []
    for method in CORRELATIONS:
        own = {model: r for (model, _), r in records.rankings.items() if r.method == method}
        if own:
            section = build.correlation_section(own)
            found.append(Section(f"{section.title} ({method})", section.blocks, f"{section.anchor}-{method}"))
    return found


@dataclass(frozen=True)
class _Compared:
    """Rankings side by side: the section, and its findings for the summary."""

    section: Section
    findings: list[str]


def _comparisons(records: Records) -> list[_Compared]:
    """Each evaluation whose rankings are there, with those of their curves that are of one task."""
    found = []
    for (model, name), evaluation in records.evaluations.items():
        rankings = {
            one: records.rankings[model, one] for one in evaluation.names if (model, one) in records.rankings
        }
        if any(
            one not in rankings or rankings[one].order_hash != order
            for one, order in evaluation.details["orders"].items()
        ):
            continue
        curves = _curves_of(records, model, rankings)
        comparison = compare_rankings(rankings, evaluation, curves)
        what = f"{name} of {model}"
        section = build.comparison_section(comparison, evaluation, curves, name=what)
        found.append(_Compared(section, [f"{what}: {one}" for one in build.comparison_findings(comparison)]))
    return found


def _curves_of(records: Records, model: str, rankings: Mapping[str, Ranking]) -> dict[str, Curve]:
    """The curves that were made by erasing these rankings, of the task that most of them share."""
    named = {name: records.curves[model, name] for name in rankings if (model, name) in records.curves}
    own = {
        name: curve for name, curve in named.items() if curve.details.get("order") == rankings[name].order_hash
    }
    return max(tasks(own), key=len, default={})


def _neurons(records: Records) -> list[Section]:
    found = []
    for model, activations in records.activations.items():
        own = [r for (owner, _), r in records.rankings.items() if owner == model]
        fitting = [r for r in own if r.n_ranked and _covers(activations, r)]
        best = next((r for r in fitting if r.method in MASS_METHODS), fitting[0] if fitting else None)
        if best is not None:
            ranked = activations.restrict(best.space.sites)
            section = build.neurons_section(ranked, best, min(records.neurons, best.space.size))
            found.append(Section(f"Single neurons of {model}", section.blocks, f"neurons-{model}"))
    return found


def _covers(activations: Activations, ranking: Ranking) -> bool:
    """Whether the ranking's neurons, or all of them and more, were read."""
    if not set(ranking.space.sites) <= set(activations.space.sites):
        return False
    return activations.restrict(ranking.space.sites).space == ranking.space


def _provenance(records: Records) -> list[Provenance]:
    every: list[Ranking | Curve | Stability | Evaluation | Activations] = [*records.rankings.values()]
    every += [*records.curves.values(), *records.stabilities.values(), *records.evaluations.values()]
    every += records.activations.values()
    return [record.provenance for record in every]
