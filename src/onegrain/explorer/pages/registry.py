"""Every kind of page, in the order of the navigation."""

from __future__ import annotations

from onegrain.explorer.edit_query import EditQuery
from onegrain.explorer.pages.answers import AnswersPage, AnswersQuery, answers
from onegrain.explorer.pages.compare import ComparePage, CompareQuery, compare
from onegrain.explorer.pages.edit import EditPage, edit
from onegrain.explorer.pages.edit_result import EditResultPage, edit_result
from onegrain.explorer.pages.neuron import NeuronPage, neuron
from onegrain.explorer.pages.neuron_identity import NeuronQuery
from onegrain.explorer.pages.neuron_index import NeuronIndexPage, NeuronIndexQuery, neuron_index_state
from onegrain.explorer.pages.overview import OverviewPage, OverviewQuery, overview
from onegrain.explorer.pages.page import PageKind
from onegrain.explorer.pages.rankings import RankingsPage, RankingsQuery, rankings
from onegrain.explorer.pages.record import RecordPage, RecordQuery, record
from onegrain.explorer.pages.search import SearchPage, SearchQuery, found, search
from onegrain.explorer.pages.site_map import SiteMapPage, SiteMapQuery, site_map
from onegrain.explorer.pages.sweep import SweepPage, sweep
from onegrain.explorer.pages.sweep_estimate import SweepEstimate, sweep_estimate
from onegrain.explorer.pages.text import TextPage, TextQuery, text
from onegrain.explorer.pages.typed_text import TypedPage, TypedQuery, typed_text
from onegrain.explorer.sweep_query import SweepQuery

__all__ = ["NAVIGATION", "PAGES"]

PAGES = (
    PageKind("overview", "Overview", OverviewQuery, OverviewPage, overview),
    PageKind("record", "", RecordQuery, RecordPage, record),
    PageKind("answers", "", AnswersQuery, AnswersPage, answers),
    PageKind("rankings", "Rankings", RankingsQuery, RankingsPage, rankings),
    PageKind("neuron", "Neuron", NeuronQuery, NeuronPage, neuron),
    PageKind("neuron_index", "", NeuronIndexQuery, NeuronIndexPage, neuron_index_state, lasting=False),
    PageKind("text", "Text", TextQuery, TextPage, text),
    PageKind("typed", "", TypedQuery, TypedPage, typed_text),
    PageKind("edit", "Edit", EditQuery, EditPage, edit),
    PageKind("edit-result", "", EditQuery, EditResultPage, edit_result, shown_on="edit"),
    PageKind("sweep", "Sweep", SweepQuery, SweepPage, sweep, lasting=False),
    PageKind("sweep-estimate", "", SweepQuery, SweepEstimate, sweep_estimate, lasting=False),
    PageKind("search", "Search", SearchQuery, SearchPage, search, lasting=False),
    PageKind("found", "", SearchQuery, SearchPage, found, lasting=False),
    PageKind("compare", "Compare", CompareQuery, ComparePage, compare),
    PageKind("sites", "", SiteMapQuery, SiteMapPage, site_map),
)
"""Every kind of page."""

NAVIGATION = tuple((kind.name, kind.title) for kind in PAGES if kind.title)
"""(name, title) of the pages in the navigation."""
