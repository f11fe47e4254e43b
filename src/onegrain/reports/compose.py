"""A whole report from whichever records there are: a section appears where its data do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from onegrain.analyses.judging.comparison import compare_rankings
from onegrain.analyses.questions.contrast import contrast
from onegrain.analyses.questions.importance import task_importance, tasks
from onegrain.core.sealing import using
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.curve import Curve
from onegrain.records.evaluation import Evaluation
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.stability import Stability
from onegrain.reports import sections as build
from onegrain.reports.blocks import Section, Text, told_apart
from onegrain.reports.page import Report

__all__ = ["Records", "compose", "left_out"]

CORRELATIONS = ("maxcorr", "mincorr")
MASS_METHODS = ("lca",)
FEWEST_COMPARED = 2


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
        left_out: one line for each file that the report does not show: which, and why.
    """

    rankings: Mapping[tuple[str, str], Ranking] = field(default_factory=dict)
    curves: Mapping[tuple[str, str], Curve] = field(default_factory=dict)
    activations: Mapping[str, Activations] = field(default_factory=dict)
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    neurons: int = 5
    stabilities: Mapping[tuple[str, str], Stability] = field(default_factory=dict)
    evaluations: Mapping[tuple[str, str], Evaluation] = field(default_factory=dict)
    left_out: Sequence[str] = ()


def compose(title: str, records: Records) -> Report:
    """Build the report: summary, models, probes, stability, questions, comparisons, neurons, provenance.

    Raises:
        ParameterError: there is no ranking, curve or stability.
        RecordError: a record's details are not of the form that its section needs.
    """
    if not records.rankings and not records.curves and not records.stabilities:
        raise ParameterError("a report needs at least one ranking or curve; rank or ablate a model first")
    findings: list[str] = []
    parts: list[Section] = [build.models_section(records.models)] if records.models else []
    for what, make in _parts(records):
        with using(what):
            told, sections = make()
        findings += told
        parts += sections
    if findings:
        parts.insert(0, build.summary_section(findings))
    if lines := left_out(records):
        parts.append(Section("Left out", [Text(tuple(lines))]))
    return Report(title, told_apart(parts), _provenance(records))


_Part = tuple[list[str], list[Section]]
"""Findings for the summary, and sections."""


def _parts(records: Records) -> Iterator[tuple[str, Callable[[], _Part]]]:
    """Yield in the order of the page what each part is made of, and what makes it."""
    probes = {" ".join(key): r for key, r in records.rankings.items() if r.method in MASS_METHODS and r.labels}
    tested = {" ".join(key): r for key, r in records.rankings.items() if " ".join(key) in probes or _tested(r)}
    stabilities = {" ".join(key): found for key, found in records.stabilities.items()}
    if tested:
        what = f"the probes {', '.join(tested)}"
        yield what, lambda: (build.probe_findings(tested), [build.probe_section(tested)])
    if stabilities:
        what = f"the stabilities {', '.join(stabilities)}"
        yield what, lambda: (build.stability_findings(stabilities), [build.stability_section(stabilities)])
    if probes:
        yield f"the probes {', '.join(probes)}", partial(_shares, probes)
    groups = _groups(records)
    for layer, group in groups.items():
        yield f"the probes of {layer} of {', '.join(group)}", partial(_contrasted, layer, group, len(groups))
    yield "the rankings of several models", lambda: ([], _correlations(records))
    if records.curves:
        yield f"the curves {', '.join(' '.join(key) for key in records.curves)}", partial(_erased, records)
    yield "the evaluations", partial(_compared_side_by_side, records)
    rankings = {" ".join(key): ranking for key, ranking in records.rankings.items()}
    if rankings:
        yield f"the rankings {', '.join(rankings)}", lambda: ([], [build.layers_section(rankings)])
    yield "the rankings of single neurons", lambda: ([], _neurons(records))


def _tested(ranking: Ranking) -> bool:
    """Return True if a ranking's details say how well its probe does on held-out words."""
    evaluation = ranking.details.get("evaluation")
    return isinstance(evaluation, Mapping) and bool(evaluation.get("full"))


def _shares(probes: Mapping[str, Ranking]) -> _Part:
    findings = [*build.localisation_findings(probes), *build.sharing_findings(probes)]
    return findings, [build.localisation_section(probes), build.sharing_section(probes)]


def _contrasted(layer: str, group: Mapping[str, Ranking], many: int) -> _Part:
    section = _named(build.contrast_section(group), layer, many)
    return build.contrast_findings(contrast(group)), [section]


def _erased(records: Records) -> _Part:
    findings: list[str] = []
    for (model, _), curves in build.curves_by_task(records.curves).items():
        findings += build.importance_findings(model, task_importance(curves))
    return findings, [build.importance_section(records.curves, records.rankings)]


def _compared_side_by_side(records: Records) -> _Part:
    compared = _comparisons(records)
    return [line for part in compared for line in part.findings], [part.section for part in compared]


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


def left_out(records: Records) -> list[str]:
    """Return one line for each file and record that a report does not show, or not in every section."""
    return [*records.left_out, *_not_compared(records), *_not_contrasted(records)]


def _not_contrasted(records: Records) -> list[str]:
    """Name the rankings that the contrast of models leaves out, since it takes one for each model."""
    taken = {id(ranking) for group in _groups(records).values() for ranking in group.values()}
    layers = set(_groups(records))
    return [
        f"The contrast of models by {ranking.layer} takes one ranking of each model; {ordering} of {model} is "
        "left out of it."
        for (model, ordering), ranking in records.rankings.items()
        if ranking.method in MASS_METHODS
        and ranking.labels
        and ranking.layer in layers
        and id(ranking) not in taken
    ]


def _correlations(records: Records) -> list[Section]:
    """A section for each method that compares models; two rankings of one model are told apart by name."""
    sections = []
    for method in CORRELATIONS:
        keys = [key for key, ranking in records.rankings.items() if ranking.method == method]
        models = [model for model, _ in keys]
        named = {key[0] if models.count(key[0]) == 1 else " ".join(key): records.rankings[key] for key in keys}
        if named:
            section = build.correlation_section(named)
            title, anchor = f"{section.title} ({method})", f"{section.anchor}-{method}"
            sections.append(Section(title, section.blocks, anchor))
    return sections


@dataclass(frozen=True)
class _Compared:
    """Rankings side by side: the section, and its findings for the summary."""

    section: Section
    findings: list[str]


def _comparisons(records: Records) -> list[_Compared]:
    """Each evaluation whose rankings are among the records, with those of their curves that are of one task."""
    compared = []
    for (model, name), evaluation in records.evaluations.items():
        keys = _keys_of(records, model, evaluation)
        if None in keys.values() or len(keys) < FEWEST_COMPARED:
            continue
        rankings = {ranking: records.rankings[key] for ranking, key in keys.items() if key is not None}
        curves = _curves_of(records, keys, rankings)
        comparison = compare_rankings(rankings, evaluation, curves)
        what = f"{name} of {model}"
        section = build.comparison_section(comparison, evaluation, curves, name=what)
        findings = [f"{what}: {finding}" for finding in build.comparison_findings(comparison)]
        compared.append(_Compared(section, findings))
    return compared


def _not_compared(records: Records) -> list[str]:
    """Name the evaluations that are not shown, and the rankings that they need."""
    sentences = []
    for (model, name), evaluation in records.evaluations.items():
        missing = [ranking for ranking, key in _keys_of(records, model, evaluation).items() if key is None]
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


def _keys_of(records: Records, model: str, evaluation: Evaluation) -> dict[str, tuple[str, str] | None]:
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


def _curves_of(
    records: Records, keys: Mapping[str, tuple[str, str] | None], rankings: Mapping[str, Ranking]
) -> dict[str, Curve]:
    """The curves that were made by erasing these rankings, of the task that most of them share."""
    curves: dict[str, Curve] = {}
    for name, ranking in rankings.items():
        key = keys[name]
        alike = [
            curve
            for other, curve in records.curves.items()
            if key is not None
            and other[0] == key[0]
            and (other[1] in (name, key[1]) or other[1].startswith(f"{name} ("))
            and curve.details.get("order") == ranking.order_hash
        ]
        if alike:
            curves[name] = alike[0]
    return max(tasks(curves), key=len, default={})


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
