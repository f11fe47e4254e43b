"""The similarity of the sites of two stores, a fragment that the comparison page loads after itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from onegrain.errors import ParameterError
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery
from onegrain.explorer.figures import Figure
from onegrain.explorer.pages.comparisons import site_figure
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.records.similarity import Similarity

__all__ = ["Measure", "SiteMapPage", "SiteMapQuery", "site_map"]

Measure = Literal["cka", "pwcca", "svcca"]
MOST_PRODUCTS = 4e11
"""Multiplications of one comparison: some seconds of one core."""
MOST_NEURONS = 6000


class SiteMapQuery(PageQuery):
    """The state: two stores and a measure."""

    left: str = Field("", max_length=LONGEST_NAME, description="Store of the rows.")
    right: str = Field("", max_length=LONGEST_NAME, description="Store of the columns.")
    measure: Measure = Field("cka", description="Measure of similarity.")


@dataclass(frozen=True)
class SiteMapPage(Page):
    """The similarity of sites."""

    query: SiteMapQuery
    shell: Shell
    figures: tuple[Figure, ...]


def site_map(explorer: Explorer, query: SiteMapQuery) -> SiteMapPage:
    """Return the similarity of every site of one store with every site of another.

    Raises:
        NotFoundError: there is no such store.
        ParameterError: the stores are too large to be compared while a page waits.
        MismatchError: they are of different words.
    """
    name = "\0".join(("similarity of sites", query.left, query.right, query.measure))
    record = explorer.collection.derived(name, lambda: _compared(explorer, query))
    return SiteMapPage(
        title="Similarity of sites",
        query=query,
        shell=shell_of(explorer, "sites", query),
        figures=(site_figure(record, query.measure),),
    )


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
