"""The overview: everything in the collection, and the four questions with their answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from onegrain.explorer.addresses import PageQuery, link
from onegrain.explorer.collection import MODEL, Entry
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS
from onegrain.records.provenance import package_version

__all__ = ["EntryRow", "Group", "OverviewPage", "OverviewQuery", "overview"]

GROUPS = (
    ("Models", (MODEL,)),
    ("Stores of activations", (ACTIVATIONS,)),
    ("Rankings", ("ranking",)),
    ("Curves and sweeps", ("curve", "sweep")),
)
LEADS_TO = {ACTIVATIONS: "text", "ranking": "rankings", "curve": "compare", "sweep": "compare"}


class OverviewQuery(PageQuery):
    """The state of the overview."""


@dataclass(frozen=True)
class EntryRow:
    """An entry of the collection, with the page that shows it; the address is empty if no page does."""

    name: str
    kind: str
    model: str
    corpus: str
    method: str
    layer: str
    address: str


@dataclass(frozen=True)
class Group:
    """Entries of one group of kinds."""

    title: str
    entries: tuple[EntryRow, ...]


@dataclass(frozen=True)
class OverviewPage(Page):
    """The overview.

    Attributes:
        query: the state.
        answers: the address of the answers to the four questions, which the page loads after itself.
        groups: the entries by kind.
        left_out: one line for each file that cannot be shown, with the reason.
        version: the version of onegrain that is running.
    """

    query: OverviewQuery
    shell: Shell
    figures: tuple[Figure, ...]
    answers: str
    groups: tuple[Group, ...]
    left_out: tuple[str, ...]
    version: str


def overview(explorer: Explorer, query: OverviewQuery) -> OverviewPage:
    """Return the overview of a collection."""
    collection = explorer.collection
    grouped = {kind for _, kinds in GROUPS for kind in kinds}
    others = tuple(sorted({entry.kind for entry in collection.entries} - grouped))
    groups = [
        Group(title, tuple(_row(entry, query) for entry in collection.of_kind(*kinds)))
        for title, kinds in (*GROUPS, ("Other records", others))
        if kinds
    ]
    counts = Counter(entry.kind for entry in collection.entries)
    table = FigureTable.of(
        ("name", "kind", "model", "corpus", "method", "label layer"),
        [
            (row.name, row.kind, row.model, row.corpus, row.method, row.layer)
            for group in groups
            for row in group.entries
        ],
    )
    caption = ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))
    return OverviewPage(
        title=collection.title,
        query=query,
        shell=shell_of(explorer, "overview", query),
        figures=(Figure("entries", "Everything here", None, table, caption),),
        answers=link("answers", query),
        groups=tuple(group for group in groups if group.entries),
        left_out=collection.left_out,
        version=package_version(),
    )


def _row(entry: Entry, query: PageQuery) -> EntryRow:
    page = LEADS_TO.get(entry.kind, "")
    target = link(page, query, **_selection(entry)) if page else ""
    return EntryRow(entry.name, entry.kind, entry.model, entry.corpus, entry.method, entry.layer, target)


def _selection(entry: Entry) -> dict[str, str]:
    """Return the values of an address that select an entry on its page."""
    names = {ACTIVATIONS: "store", "ranking": "ranking", "curve": "curve", "sweep": "curve"}
    return {names[entry.kind]: entry.name}
