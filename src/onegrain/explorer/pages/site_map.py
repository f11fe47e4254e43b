"""Two stores of the same words: similarity of their sites, correlations of their neurons.

It is a fragment that the comparison page loads after itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from onegrain.analyses.neurons.correlation_map import correlation_map
from onegrain.errors import ParameterError
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.orders import ranking_of
from onegrain.explorer.pages.comparisons import site_figure
from onegrain.explorer.pages.page import Page, Shell, pinned, shell_of
from onegrain.explorer.recent import Recent
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS
from onegrain.records.similarity import Similarity
from onegrain.reports.rendering.drawings import Matrix

__all__ = ["Measure", "SiteMapPage", "SiteMapQuery", "site_map"]

Measure = Literal["cka", "pwcca", "svcca"]
MOST_PRODUCTS = 4e11
"""Multiplications of one comparison: some seconds of one core."""
MOST_NEURONS = 6000
MOST_SHOWN = 24
"""Neurons of each side in the map of correlations."""
MOST_KEPT = 32


class SiteMapQuery(PageQuery):
    """The state: two stores and a measure."""

    left: str = Field("", max_length=LONGEST_NAME, description="Store of the rows.")
    right: str = Field("", max_length=LONGEST_NAME, description="Store of the columns.")
    measure: Measure = Field("cka", description="Measure of similarity.")


@dataclass(frozen=True)
class SiteMapPage(Page):
    """The similarity of sites, and the correlations of neurons."""

    query: SiteMapQuery
    shell: Shell
    figures: tuple[Figure, ...]


def site_map(explorer: Explorer, query: SiteMapQuery) -> SiteMapPage:
    """Return the similarity of every site of one store with every site of another, and correlations of neurons.

    Raises:
        NotFoundError: no store has this name.
        ParameterError: the stores are too large to be compared while a page waits.
        MismatchError: they are of different words.
    """
    name = "\0".join(("similarity of sites", query.left, query.right, query.measure))
    record = explorer.collection.derived(name, lambda: _compared(explorer, query))
    return SiteMapPage(
        title="Similarity of sites",
        query=query,
        shell=shell_of(explorer, "sites", query),
        figures=(site_figure(record, query.measure), _neuron_figure(explorer, query)),
    )


def _neuron_figure(explorer: Explorer, query: SiteMapQuery) -> Figure:
    """Return the correlations of some neurons of one store with some of the other as a matrix."""
    collection = explorer.collection
    sides = [collection.entry(name, ACTIVATIONS) for name in (query.left, query.right)]
    chosen = [_shown_neurons(collection, side, query) for side in sides]
    (left, _), (right, _) = chosen
    stores = collection.store(query.left), collection.store(query.right)
    kept: Recent[pd.DataFrame] = collection.derived("correlation maps", lambda: Recent(MOST_KEPT))
    key = (query.left, query.right, tuple(left), tuple(right))
    table = kept.get(key, lambda: correlation_map(*stores, left, right))
    values = tuple(tuple(row) for row in table.to_numpy(np.float64).tolist())
    rows, columns = tuple(table.index), tuple(table.columns)
    caption = " ".join(
        f"{place}: {source} of {side.title}."
        for place, side, (_, source) in zip(("Rows", "Columns"), sides, chosen, strict=True)
    )
    return Figure(
        "neurons",
        "Correlations of neurons",
        Matrix(rows, columns, values, limit=1.0, unit="Pearson's correlation over words"),
        FigureTable.of(("neuron", *columns), [(row, *line) for row, line in zip(rows, values, strict=True)]),
        caption,
    )


def _shown_neurons(collection: Collection, store: Entry, query: SiteMapQuery) -> tuple[list[int], str]:
    """Return the flat indices of the neurons of a store that are shown, and the reason why these.

    They are the pinned ones, else the first of the first ranking of the store's model, else the first units.
    """
    space = collection.store(store.name).space
    pins = pinned(space, query)
    if pins:
        return list(pins), "the pinned neurons"
    widths = dict(zip(space.sites, space.widths, strict=True))
    for entry in collection.about(store.weights, "ranking"):
        ranking = ranking_of(collection, entry.name)
        named = [ranking.space.locate(int(neuron)) for neuron in ranking.order[: ranking.n_ranked]]
        indices = [space.index(site, unit) for site, unit in named if unit < widths.get(site, 0)]
        if indices:
            return indices[:MOST_SHOWN], f"the first neurons of {entry.title}"
    return list(range(min(MOST_SHOWN, space.size))), "the first units"


def _compared(explorer: Explorer, query: SiteMapQuery) -> Similarity:
    left, right = explorer.collection.store(query.left), explorer.collection.store(query.right)
    left.require_same_words(right)
    neurons = left.n_neurons + right.n_neurons
    if neurons > MOST_NEURONS or float(left.n_words) * neurons**2 > MOST_PRODUCTS:
        raise ParameterError(
            f"{left.n_words:,} words of {neurons:,} neurons are too many to compare while a page waits; run "
            "onegrain similarity and open its record"
        )
    from onegrain.core.progress import silent
    from onegrain.rankings.crossmodel.similarity import similarity  # it loads torch

    return similarity(left, right, measures=(query.measure,), progress=silent)
