"""The comparison page: curves, rankings, sites of models, partners, and damage by label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field

from onegrain.errors import OnegrainError, ParameterError
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.figures import Figure
from onegrain.explorer.pages.comparisons import (
    agreement_figures,
    curve_figures,
    damage_figures,
    partner_figure,
    site_figure,
)
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.pages.site_map import Measure
from onegrain.explorer.pages.text import without_blanks
from onegrain.explorer.recent import Recent
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.records.sweep import Sweep

__all__ = ["CompareChoice", "ComparePage", "CompareQuery", "compare"]

MOST_CURVES = 12
MOST_RANKINGS = 8
MOST_KEPT = 32
CURVES = ("curve", "sweep")

Names = Annotated[tuple[Annotated[str, Field(max_length=LONGEST_NAME)], ...], BeforeValidator(without_blanks)]


class CompareQuery(PageQuery):
    """The state of the comparison page: what is compared, each by its name."""

    curve: Annotated[Names, Field(max_length=MOST_CURVES)] = Field((), description="Curves and sweeps.")
    ranking: Annotated[Names, Field(max_length=MOST_RANKINGS)] = Field((), description="Rankings.")
    left: str = Field("", max_length=LONGEST_NAME, description="Store of the rows of the similarity.")
    right: str = Field("", max_length=LONGEST_NAME, description="Store of its columns.")
    measure: Measure = Field("cka", description="Measure of similarity.")
    similarity: str = Field("", max_length=LONGEST_NAME, description="Record of a similarity.")
    partners: str = Field("", max_length=LONGEST_NAME, description="Ranking with partners in other models.")
    specificity: str = Field("", max_length=LONGEST_NAME, description="Record of a specificity.")


@dataclass(frozen=True)
class CompareChoice:
    """An entry that can be compared, and whether it is."""

    name: str
    title: str
    about: str
    chosen: bool


@dataclass(frozen=True)
class ComparePage(Page):
    """The comparison page.

    Attributes:
        query: the state.
        curves, rankings, stores, similarities, specificities, crossmodel: what can be compared.
        sites: the address of the similarity that the page loads after itself; empty without one.
        curve_figures, ranking_figures: the names of the figures of these parts.
    """

    query: CompareQuery
    shell: Shell
    figures: tuple[Figure, ...]
    curves: tuple[CompareChoice, ...]
    rankings: tuple[CompareChoice, ...]
    stores: tuple[CompareChoice, ...]
    similarities: tuple[CompareChoice, ...]
    specificities: tuple[CompareChoice, ...]
    crossmodel: tuple[CompareChoice, ...]
    sites: str
    curve_figures: tuple[str, ...]
    ranking_figures: tuple[str, ...]


def compare(explorer: Explorer, query: CompareQuery) -> ComparePage:
    """Return the comparison page in a state; what the state leaves open is chosen from the records.

    Raises:
        NotFoundError: no record has one of the names.
        ParameterError: a single ranking, or one without partners.
        MismatchError: the rankings are of different neurons.
    """
    collection = explorer.collection
    for store in (query.left, query.right):
        if store:
            collection.entry(store, ACTIVATIONS)
    curves = query.curve or _first_curves(collection)
    rankings = query.ranking or _first_rankings(collection)
    if len(rankings) == 1:
        raise ParameterError("choose two rankings or more: one alone cannot be compared")
    similarity = query.similarity or _first(collection, "similarity", bool(query.left or query.right))
    specificity = query.specificity or _first(collection, "specificity")
    crossmodel = [entry for entry in collection.of_kind("ranking") if entry.method in ("maxcorr", "mincorr")]
    partners = query.partners or (crossmodel[0].name if crossmodel else "")
    of_curves = _kept(explorer, ("curves", curves), lambda: _curves(collection, curves))
    of_rankings = _kept(explorer, ("rankings", rankings), lambda: _rankings(collection, rankings))
    figures = [*of_curves, *of_rankings]
    if similarity:
        record = collection.record(similarity, "similarity")
        measure = query.measure if query.measure in record.measures else record.measures[0]
        figures.append(site_figure(record, measure))
    if partners:
        figures.append(_partners(collection, partners, query))
    if specificity:
        figures += damage_figures(
            collection.entry(specificity).title, collection.record(specificity, "specificity")
        )
    return ComparePage(
        title="Compare",
        query=query,
        shell=shell_of(explorer, "compare", query),
        figures=tuple(figures),
        curves=_choices(collection.of_kind(*CURVES), curves),
        rankings=_choices(collection.of_kind("ranking"), rankings),
        stores=_choices(collection.of_kind(ACTIVATIONS), (query.left, query.right)),
        similarities=_choices(collection.of_kind("similarity"), (similarity,)),
        specificities=_choices(collection.of_kind("specificity"), (specificity,)),
        crossmodel=_choices(crossmodel, (partners,)),
        sites=link("sites", query, left=query.left, right=query.right, measure=query.measure)
        if query.left and query.right
        else "",
        curve_figures=tuple(figure.name for figure in of_curves),
        ranking_figures=tuple(figure.name for figure in of_rankings),
    )


def _kept(explorer: Explorer, key: tuple[object, ...], build: Callable[[], list[Figure]]) -> list[Figure]:
    kept: Recent[list[Figure]] = explorer.collection.derived("comparisons", lambda: Recent(MOST_KEPT))
    return kept.get(key, build)


def _first_curves(collection: Collection) -> tuple[str, ...]:
    """Return the curves of the first model and metric, or the first sweep."""
    curves = collection.of_kind("curve")
    if curves:
        first = curves[0]
        same = [curve for curve in curves if (curve.weights, curve.method) == (first.weights, first.method)]
        return tuple(curve.name for curve in same[:MOST_CURVES])
    return tuple(sweep.name for sweep in collection.of_kind("sweep")[:1])


def _first_rankings(collection: Collection) -> tuple[str, ...]:
    """Return the rankings of the first model that has two or more of the same neurons; none without one."""
    entries = collection.of_kind("ranking")
    for weights in dict.fromkeys(entry.weights for entry in entries):
        same: list[tuple[str, Ranking]] = []
        for entry in entries:
            if entry.weights == weights and weights:
                try:
                    same.append((entry.name, collection.record(entry.name, "ranking")))
                except OnegrainError:
                    continue  # the page of the ranking says what is wrong with it
        names = [name for name, ranking in same if ranking.space == same[0][1].space]
        if len(names) > 1:
            return tuple(names[:MOST_RANKINGS])
    return ()


def _first(collection: Collection, kind: str, other: bool = False) -> str:
    entries = collection.of_kind(kind)
    return entries[0].name if entries and not other else ""


def _curves(collection: Collection, names: Sequence[str]) -> list[Figure]:
    titles = _titles(collection, names)
    records = {titles[name]: collection.record(name, *CURVES) for name in names}
    return curve_figures(
        {title: record for title, record in records.items() if isinstance(record, Curve)},
        {title: record for title, record in records.items() if isinstance(record, Sweep)},
    )


def _rankings(collection: Collection, names: Sequence[str]) -> list[Figure]:
    titles = _titles(collection, names)
    return (
        agreement_figures({titles[name]: collection.record(name, "ranking") for name in names}) if names else []
    )


def _partners(collection: Collection, name: str, query: CompareQuery) -> Figure:
    ranking = collection.record(name, "ranking")
    if "partner" not in ranking.details:
        raise ParameterError(f"the ranking {name} names no partners; choose one by maxcorr or mincorr")
    return partner_figure(collection, collection.entry(name).title, ranking, query)


def _titles(collection: Collection, names: Sequence[str]) -> dict[str, str]:
    """Return short titles of some entries; the whole name where two titles are the same."""
    titles = {name: collection.entry(name).title for name in names}
    endings = {title.rpartition("--")[2] for title in titles.values()}
    if len(titles) > 1 and len(endings) == 1:  # all of one model: its name tells nothing apart
        titles = {name: title.rpartition("--")[0] or title for name, title in titles.items()}
    return {name: title if list(titles.values()).count(title) == 1 else name for name, title in titles.items()}


def _choices(entries: Sequence[Entry], chosen: Sequence[str]) -> tuple[CompareChoice, ...]:
    return tuple(
        CompareChoice(entry.name, entry.title, entry.method or entry.model, entry.name in chosen)
        for entry in entries
    )
