"""A whole report from the records that are available: a section appears if its records do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from onegrain.analyses.judging.comparison import compare_rankings
from onegrain.analyses.sweeps.robustness import robustness
from onegrain.core.sealing import using
from onegrain.errors import ParameterError
from onegrain.records.activations import Activations
from onegrain.records.provenance import Provenance
from onegrain.records.ranking import Ranking
from onegrain.records.stability import Stability
from onegrain.records.sweep import Sweep
from onegrain.reports import sections as build
from onegrain.reports.blocks import Section, Text, with_unique_names
from onegrain.reports.matching import (
    FEWEST_COMPARED,
    Records,
    curves_of,
    has_mass,
    keys_of,
    left_out,
    models_by_layer,
)
from onegrain.reports.page import Report

__all__ = ["Records", "answering_sections", "compose", "left_out"]

CORRELATIONS = ("maxcorr", "mincorr")

Cards = Mapping[str, Mapping[str, str]]
"""Model -> neuron -> anchor of its card in the page."""


def compose(title: str, records: Records) -> Report:
    """Build a report: models, single neurons, the four questions, probes, comparisons, layers, provenance.

    Raises:
        ParameterError: there is no record that has a section of its own.
        RecordError: a record's details are not of the form that its section needs.
    """
    if not any(_with_sections(records)):
        raise ParameterError("a report needs at least one ranking or curve; rank or ablate a model first")
    sections: list[Section] = [build.models_section(records.models)] if records.models else []
    for what, make in _parts(records):
        with using(what):
            sections += make()
    if lines := left_out(records):
        sections.append(Section("Left out", [Text(tuple(lines))]))
    return Report(title, with_unique_names(sections), _provenance(records))


def answering_sections(records: Records) -> list[Section]:
    """Return the sections that answer one of the four questions, and only those, in the order of the page.

    Raises:
        RecordError: a record's details are not of the form that its section needs.
    """
    sections: list[Section] = []
    for what, make in _questions(records, {}):
        with using(what):
            sections += make()
    return [section for section in sections if section.answer is not None]


def _with_sections(records: Records) -> list[Mapping[tuple[str, str], Any]]:
    """Return the records that have a section without others."""
    return [
        records.rankings,
        records.curves,
        records.sweeps,
        records.stabilities,
        records.specificities,
        records.effects,
        records.uniquenesses,
        records.constants,
        records.controls,
    ]


def _parts(records: Records) -> Iterator[tuple[str, Callable[[], list[Section]]]]:
    """Yield in the order of the page which records a part is made from, and the function that makes it."""
    named = {" ".join(key): ranking for key, ranking in records.rankings.items()}
    tested = {name: ranking for name, ranking in named.items() if has_mass(ranking) or _tested(ranking)}
    shown = _shown_neurons(records)
    cards = {
        model: build.card_anchors(ranking, _neuron_count(records, ranking), _card_prefix(shown, model))
        for model, ranking in shown.items()
    }
    yield "the rankings of single neurons", partial(_neurons, records, shown)
    yield from _questions(records, cards)
    sweeps = {" ".join(key): sweep for key, sweep in records.sweeps.items()}
    if sweeps:
        yield f"the sweeps {', '.join(sweeps)}", lambda: _sweeps(sweeps)
    yield from _interventions(records)
    if tested:
        yield f"the probes {', '.join(tested)}", lambda: [build.probe_section(tested)]
    stabilities = _named_stabilities(records)
    if stabilities:
        yield f"the stabilities {', '.join(stabilities)}", lambda: [build.stability_section(stabilities)]
    if records.controls:
        controls = {" ".join(key): control for key, control in records.controls.items()}
        yield f"the controls {', '.join(controls)}", partial(_alone, build.control_section, controls)
    if records.uniquenesses:
        uniquenesses = {" ".join(key): record for key, record in records.uniquenesses.items()}
        yield "the uniquenesses", partial(_alone, build.uniqueness_section, uniquenesses)
    yield "the rankings of several models", partial(_correlations, records, cards)
    yield "the evaluations", partial(_comparisons, records)
    if named:
        yield f"the rankings {', '.join(named)}", lambda: [build.layers_section(named)]


def _questions(records: Records, cards: Cards) -> Iterator[tuple[str, Callable[[], list[Section]]]]:
    """Yield the parts that answer the four questions."""
    named = {" ".join(key): ranking for key, ranking in records.rankings.items()}
    probes = {name: ranking for name, ranking in named.items() if has_mass(ranking)}
    if probes:
        stabilities = _named_stabilities(records)
        yield f"the probes {', '.join(probes)}", partial(_spread, records, probes, stabilities, cards)
    groups = models_by_layer(records)
    for layer, keys in groups.items():
        yield (
            f"the probes of {layer} of {', '.join(keys)}",
            partial(_contrast, records, layer, keys, len(groups)),
        )
    if records.curves:
        importance = partial(build.importance_section, records.curves, records.rankings)
        yield f"the curves {', '.join(' '.join(key) for key in records.curves)}", lambda: [importance()]


def _named_stabilities(records: Records) -> dict[str, Stability]:
    return {" ".join(key): stability for key, stability in records.stabilities.items()}


def _sweeps(sweeps: Mapping[str, Sweep]) -> list[Section]:
    """Return the section on sweeps and, if one has several kinds of edit, that on robustness."""
    results = {}
    for name, sweep in sweeps.items():
        with suppress(ParameterError):  # one kind of edit, or values that have no damage
            results[name] = robustness(sweep)
    sections = [build.sweep_section(sweeps)]
    return [*sections, build.robustness_section(sweeps, results)] if results else sections


def _interventions(records: Records) -> Iterator[tuple[str, Callable[[], list[Section]]]]:
    """Yield the parts made from records of edits in the running model."""
    for what, group, build_section in (
        ("the specificities", records.specificities, build.specificity_section),
        ("the effects", records.effects, build.effects_section),
        ("the optimal constants", records.constants, build.constants_section),
    ):
        if group:
            named: Any = {" ".join(key): record for key, record in group.items()}
            yield what, partial(_alone, build_section, named)


def _alone(build_section: Callable[[Any], Section], records: Mapping[str, Any]) -> list[Section]:
    return [build_section(records)]


def _tested(ranking: Ranking) -> bool:
    """Return True if a ranking's details hold the test of its probe on held-out words."""
    evaluation = ranking.details.get("evaluation")
    return isinstance(evaluation, Mapping) and bool(evaluation.get("full"))


def _spread(
    records: Records, probes: Mapping[str, Ranking], stabilities: Mapping[str, Stability], cards: Cards
) -> list[Section]:
    """Return the sections on localisation and sharing."""
    cautions = {name: build.probe_cautions(ranking) for name, ranking in probes.items()}
    unstable = {
        name: [*lines, *([build.stability_caution(stabilities[name])] if name in stabilities else [])]
        for name, lines in cautions.items()
    }
    cards_of = {" ".join(key): cards.get(key[0], {}) for key in records.rankings}
    return [
        build.localisation_section(probes, cautions),
        build.sharing_section(probes, cautions=unstable, cards=cards_of),
    ]


def _contrast(records: Records, layer: str, keys: Mapping[str, tuple[str, str]], layers: int) -> list[Section]:
    group = {model: records.rankings[key] for model, key in keys.items()}
    cautions = {model: build.probe_cautions(ranking) for model, ranking in group.items()}
    section = build.contrast_section(group, cautions=cautions)
    if layers > 1:
        section = replace(section, title=f"{section.title}: {layer}", anchor=f"{section.anchor}-{layer}")
    return [section]


def _correlations(records: Records, cards: Cards) -> list[Section]:
    """Return a section for each method that compares models; two rankings of one model get longer names."""
    sections = []
    for method in CORRELATIONS:
        keys = [key for key, ranking in records.rankings.items() if ranking.method == method]
        models = [model for model, _ in keys]
        names = {key: key[0] if models.count(key[0]) == 1 else " ".join(key) for key in keys}
        if names:
            rankings = {name: records.rankings[key] for key, name in names.items()}
            cards_of = {name: cards.get(key[0], {}) for key, name in names.items()}
            section = build.correlation_section(rankings, cards_of)
            title, anchor = f"{section.title} ({method})", f"{section.anchor}-{method}"
            sections.append(replace(section, title=title, anchor=anchor))
    return sections


def _comparisons(records: Records) -> list[Section]:
    """Return a section for each evaluation whose rankings are all here, with their curves of one task."""
    sections = []
    for (model, name), evaluation in records.evaluations.items():
        keys = keys_of(records, model, evaluation)
        if None in keys.values() or len(keys) < FEWEST_COMPARED:
            continue
        rankings = {ranking: records.rankings[key] for ranking, key in keys.items() if key is not None}
        curves = curves_of(records, keys, rankings)
        comparison = compare_rankings(rankings, evaluation, curves)
        sections.append(build.comparison_section(comparison, evaluation, curves, name=f"{name} of {model}"))
    return sections


def _shown_neurons(records: Records) -> dict[str, Ranking]:
    """Return model -> the ranking whose first neurons are shown, for models with activations of its neurons."""
    shown = {}
    for model, activations in records.activations.items():
        fitting = [
            ranking
            for (owner, _), ranking in records.rankings.items()
            if owner == model and ranking.n_ranked and _covers(activations, ranking)
        ]
        if fitting:
            shown[model] = next((ranking for ranking in fitting if has_mass(ranking)), fitting[0])
    return shown


def _neuron_count(records: Records, ranking: Ranking) -> int:
    return min(records.neurons, ranking.space.size)


def _card_prefix(shown: Mapping[str, Ranking], model: str) -> str:
    """Return the prefix of the anchors of a model's cards, a number because two names may give one anchor."""
    return f"neuron-{list(shown).index(model) + 1}"


def _neurons(records: Records, shown: Mapping[str, Ranking]) -> list[Section]:
    sections: list[Section] = []
    for model, ranking in shown.items():
        activations = records.activations[model].restrict(ranking.space.sites)
        count, prefix = _neuron_count(records, ranking), _card_prefix(shown, model)
        section = build.neurons_section(activations, ranking, count, prefix=prefix, explain=not sections)
        sections.append(replace(section, title=f"Single neurons of {model}", anchor=f"neurons-{model}"))
    return sections


def _covers(activations: Activations, ranking: Ranking) -> bool:
    """Return True if activations hold all neurons of a ranking, and perhaps more."""
    if not set(ranking.space.sites) <= set(activations.space.sites):
        return False
    return activations.restrict(ranking.space.sites).space == ranking.space


def _provenance(records: Records) -> list[Provenance]:
    every: list[Any] = [*records.rankings.values()]
    every += [*records.curves.values(), *records.stabilities.values(), *records.evaluations.values()]
    every += [*records.specificities.values(), *records.effects.values(), *records.uniquenesses.values()]
    every += [*records.constants.values(), *records.sweeps.values()]
    every += [*records.controls.values(), *records.activations.values()]
    return [record.provenance for record in every]
