"""The search page: the neurons that follow a word list, a regular expression or a label."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from onegrain.core.bootstrap import SIGNIFICANT
from onegrain.core.progress import Progress
from onegrain.errors import ParameterError
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery, address, changed, link
from onegrain.explorer.collection import Entry
from onegrain.explorer.expressions import matching
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.page import Page, Shell, chosen_store, shell_of
from onegrain.explorer.pages.paging import Paging, paging
from onegrain.explorer.pages.text import FILTERS, blank_is
from onegrain.explorer.searches import SearchState
from onegrain.explorer.state import Explorer
from onegrain.records.activations import Activations
from onegrain.records.concept_search import MEASURES, Concept, ConceptSearch
from onegrain.reports.rendering.drawings import Bars, Histogram, Mark
from onegrain.searching import index_path
from onegrain.searching import search as search_store

__all__ = ["FoundNeuron", "SearchPage", "SearchQuery", "found", "search"]

ROWS = 50
"""Neurons a page."""
MOST_LISTED = 1000
"""Neurons in the table of the figure."""
BINS = 50
FIRST_SECONDS = 0.7
"""Seconds that a page waits for a search before it shows its progress."""
MOST_LABELS = 500

ORDERS = (("auroc", "AUROC"), ("iou", "IoU"), ("standardised_difference", "difference"))


class SearchQuery(PageQuery):
    """The state of the search page: what is searched for, and how the neurons are listed."""

    words: str = Field("", max_length=4000, description="Words, separated by white space.")
    regex: str = Field("", max_length=400, description="A regular expression that matches all of a word.")
    label: str = Field("", max_length=LONGEST_NAME, description="A label.")
    layer: str = Field("", max_length=LONGEST_NAME, description="The label layer of the label.")
    sign: Literal["", "high", "low"] = Field("", description="High: only neurons that are high at the words.")
    by: Literal["auroc", "iou", "standardised_difference"] = Field("auroc", description="The order.")
    page: Annotated[int, blank_is(1)] = Field(1, ge=1, le=2**40, description="Page of 50 neurons, from 1.")

    @property
    def concept(self) -> dict[str, Any]:
        """The arguments of :func:`onegrain.search`; empty without a concept."""
        named = {"regex": self.regex, "label": self.label, "layer": self.layer}
        chosen: dict[str, Any] = {name: value for name, value in named.items() if value}
        return ({"words": self.words.split()} if self.words.strip() else {}) | chosen


@dataclass(frozen=True)
class FoundNeuron:
    """A neuron with its scores; see :class:`onegrain.records.concept_search.ConceptSearch`.

    Attributes:
        place: its place in the order, from 1.
        neuron: ``site:unit``.
        address: its page.
        text: the text page with the neuron pinned and the words of the concept marked.
    """

    place: int
    neuron: str
    auroc: float
    sign: int
    mean_difference: float
    standardised_difference: float
    iou: float
    iou_sign: int
    iou_quantile: float
    q: float
    address: str
    text: str


@dataclass(frozen=True)
class SearchPage(Page):
    """The search page.

    Attributes:
        query: the state.
        store: the store.
        concept: what was searched for, with its numbers of words; None before there is a result.
        running: how far the search is; None if none is running.
        poll: the address of the fragment that shows how far it is, and the result.
        significant: number of neurons with q <= 0.05.
        neurons: number of neurons of the store.
        source: ``index`` or ``store``: where the numbers come from.
        rows: the neurons of this page.
        paging: which they are; None before there is a result.
        orders, signs: other orders and signs: (title, address, True for the current one).
        labels: labels to search for, as (layer, label).
        advice: how to make searches of this store fast; empty if they are.
    """

    query: SearchQuery
    shell: Shell
    figures: tuple[Figure, ...]
    store: Entry
    concept: Concept | None
    running: SearchState | None
    poll: str
    significant: int
    neurons: int
    source: str
    rows: tuple[FoundNeuron, ...]
    paging: Paging | None
    orders: tuple[tuple[str, str, bool], ...]
    signs: tuple[tuple[str, str, bool], ...]
    labels: tuple[tuple[str, str], ...]
    advice: str


def search(explorer: Explorer, query: SearchQuery) -> SearchPage:
    """Return the search page in a state; a search that takes longer goes on in the background.

    Raises:
        ParameterError: several concepts, a faulty one, or one without words.
        LabelError: no such label or layer.
        BusyError: too many searches run already.
    """
    return _page(explorer, query, FIRST_SECONDS)


def found(explorer: Explorer, query: SearchQuery) -> SearchPage:
    """Return the result of a search, or how far it is, as a fragment that asks again."""
    return _page(explorer, query, 0.05)


def _page(explorer: Explorer, query: SearchQuery, seconds: float) -> SearchPage:
    store = chosen_store(explorer.collection, query)
    activations = explorer.collection.store(store.name)
    result, state = None, None
    if query.concept:
        key, find = _search_of(activations, store, query)
        running = explorer.searches.begin(key, find)
        result = running.wait(seconds)
        state = running.state if result is None else None
    order = _order(result, query) if result is not None else np.empty(0, dtype=np.int64)
    shown = paging("search", query, len(order), ROWS, query.page) if result is not None else None
    rows = (
        [_row(result, place, order[place], query) for place in range(shown.start, shown.stop)]
        if (result is not None and shown is not None)
        else []
    )
    return SearchPage(
        title="Search",
        query=query,
        shell=shell_of(explorer, "search", query),
        figures=() if result is None else tuple(_figures(result, order, query)),
        store=store,
        concept=None if result is None else result.concept,
        running=state,
        poll=address("found", query),
        significant=0 if result is None else result.n_significant,
        neurons=activations.n_neurons,
        source="" if result is None else str(result.details.get("source", "")),
        rows=tuple(rows),
        paging=shown,
        orders=tuple(
            (title, address("search", changed(query, by=by, page=1)), by == query.by) for by, title in ORDERS
        ),
        signs=tuple(
            (title, address("search", changed(query, sign=sign, page=1)), sign == query.sign)
            for sign, title in (("", "both"), ("high", "high"), ("low", "low"))
        ),
        labels=_labels(activations),
        advice=_advice(activations),
    )


def _search_of(activations: Activations, store: Entry, query: SearchQuery) -> tuple[Hashable, Any]:
    """Return the key of a search and the function that does it."""
    if query.regex:
        matching(query.regex, activations.corpus.words)  # refuses an expression that would not end

    def find(progress: Progress) -> ConceptSearch:
        return search_store(activations, **query.concept, progress=progress)

    return (store.name, store.digest, repr(sorted(query.concept.items()))), find


def _order(result: ConceptSearch, query: SearchQuery) -> np.ndarray:
    """Return the flat indices of the neurons to list, the best first."""
    order = result.order(query.by)
    if not query.sign:
        return order
    signs = _signs(result, query.by)
    return order[signs[order] == (1 if query.sign == "high" else -1)]


def _signs(result: ConceptSearch, by: str) -> np.ndarray:
    if by == "standardised_difference":
        return np.sign(np.nan_to_num(result.standardised_difference)).astype(np.int8)
    return result.iou_sign if by == "iou" else result.sign


def _row(result: ConceptSearch, place: int, index: int, query: SearchQuery) -> FoundNeuron:
    name = result.space.name(int(index))
    values = {measure: getattr(result, measure)[index].item() for measure in MEASURES if measure != "p"}
    pins = query.pin if name in query.pin else (name,)
    sort = "min" if result.sign[index] < 0 else "max"
    filters = _filters(result.concept)
    text = link(
        "text", changed(query, pin=pins), sort=sort, by=name, filter=filters, match="any" if filters else ""
    )
    return FoundNeuron(
        place=place + 1, neuron=name, address=link("neuron", query, neuron=name), text=text, **values
    )


def _filters(concept: Concept) -> tuple[str, ...]:
    """Return the filters of the text page that mark the words of a concept; none if there are too many."""
    if concept.kind == "label":
        return (f"label={concept.layer}={concept.value}",)
    if concept.kind == "regex":
        return (f"regex={concept.value}",)
    words = concept.value.split()
    return tuple(f"word={word}" for word in words) if len(words) <= FILTERS else ()


def _figures(result: ConceptSearch, order: np.ndarray, query: SearchQuery) -> list[Figure]:
    above = np.where(result.sign < 0, 1.0 - result.auroc, result.auroc)
    known = above[~np.isnan(above)]
    counts, edges = np.histogram(known, bins=BINS, range=(0.0, 1.0))
    concept = result.concept.describe()
    rows = [(edges[number], edges[number + 1], count) for number, count in enumerate(counts)]
    distribution = Figure(
        "distribution",
        "All neurons",
        Histogram(
            tuple(edges.tolist()), tuple(counts.tolist()), (Mark(0.5, "chance"),), "P(concept above others)"
        ),
        FigureTable.of(("from", "to", "neurons"), rows),
        "Neurons by the chance that a word of the concept has a higher value than another word: near 1 the "
        "neuron is high at the concept, near 0 it is low.",
    )
    listed = order[:MOST_LISTED]
    table = FigureTable.of(
        ("neuron", *MEASURES),
        [
            (result.space.name(int(index)), *(_number(getattr(result, name)[index]) for name in MEASURES))
            for index in listed
        ],
        [link("neuron", query, neuron=result.space.name(int(index))) for index in listed],
    )
    caption = f"The first {len(listed):,} neurons for {concept}." if len(listed) < len(order) else concept
    figures = [distribution, Figure("neurons", "Neurons", None, table, caption)]
    if len(result.space.sites) > 1:
        figures.insert(1, _by_site(result))
    return figures


def _by_site(result: ConceptSearch) -> Figure:
    significant = result.q <= SIGNIFICANT
    counts = [(site, int(significant[result.space.slice(site)].sum())) for site in result.space.sites]
    table = FigureTable.of(
        ("site", "neurons with q <= 0.05", "neurons"),
        [(site, count, width) for (site, count), width in zip(counts, result.space.widths, strict=True)],
    )
    bars = Bars(tuple(counts), "neurons")
    return Figure("sites", "Neurons with q ≤ 0.05 by site", bars, table, "After Benjamini and Hochberg.")


def _number(value: np.generic) -> float | int | None:
    number = value.item()
    return None if isinstance(number, float) and math.isnan(number) else number


def _labels(activations: Activations) -> tuple[tuple[str, str], ...]:
    layers = sorted(activations.corpus.layers.values(), key=lambda layer: layer.name)
    return tuple((layer.name, label) for layer in layers for label in layer.vocabulary)[:MOST_LABELS]


def _advice(activations: Activations) -> str:
    try:
        is_fast = index_path(activations).exists()
    except ParameterError:
        return ""
    return "" if is_fast else "Without an index a search reads the whole store; onegrain index makes one."
