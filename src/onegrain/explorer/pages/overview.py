"""The overview: everything in the collection, and the four questions with their answers."""

from __future__ import annotations

import platform
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version

from onegrain.explorer.addresses import PageQuery, link
from onegrain.explorer.collection import MODEL, Entry
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS

__all__ = ["EntryRow", "Group", "OverviewPage", "OverviewQuery", "overview"]

GROUPS = (
    ("Models", (MODEL,)),
    ("Stores of activations", (ACTIVATIONS,)),
    ("Rankings", ("ranking",)),
    ("Curves and sweeps", ("curve", "sweep")),
)
COLUMNS = ("kind", "model", "method", "layer", "corpus")
LIBRARIES = ("onegrain", "torch", "transformers", "numpy", "scikit-learn")
LEADS_TO = {ACTIVATIONS: "text", "ranking": "rankings", "curve": "compare", "sweep": "compare"}


class OverviewQuery(PageQuery):
    """The state of the overview."""


@dataclass(frozen=True)
class EntryRow:
    """An entry of the collection.

    Attributes:
        name, title: its name, and the last part of it.
        kind, model, corpus, method, layer: as in :class:`Entry`.
        address: the page that shows it best.
        facts: the page of its facts and provenance.
    """

    name: str
    title: str
    kind: str
    model: str
    corpus: str
    method: str
    layer: str
    address: str
    facts: str


@dataclass(frozen=True)
class Group:
    """Entries of one group of kinds.

    Attributes:
        title: the heading.
        entries: the entries.
        columns: the fields that tell them apart: those that some entry has.
    """

    title: str
    entries: tuple[EntryRow, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class OverviewPage(Page):
    """The overview.

    Attributes:
        query: the state.
        answers: the address of the answers to the four questions, which the page loads after itself.
        groups: the entries by kind.
        left_out: one line for each file that cannot be shown, with the reason.
        environment: the versions of onegrain and of the libraries that compute, as (name, version).
    """

    query: OverviewQuery
    shell: Shell
    figures: tuple[Figure, ...]
    answers: str
    groups: tuple[Group, ...]
    left_out: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]


def overview(explorer: Explorer, query: OverviewQuery) -> OverviewPage:
    """Return the overview of a collection."""
    collection = explorer.collection
    grouped = {kind for _, kinds in GROUPS for kind in kinds}
    others = tuple(sorted({entry.kind for entry in collection.entries} - grouped))
    groups = [
        _group(title, [_row(entry, query) for entry in collection.of_kind(*kinds)])
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
        environment=_environment(),
    )


def _group(title: str, rows: list[EntryRow]) -> Group:
    repeated = {
        "kind": len({row.kind for row in rows}) <= 1,
        "model": all(row.model == row.title for row in rows),
    }
    known = [name for name in COLUMNS if any(getattr(row, name) for row in rows)]
    return Group(title, tuple(rows), tuple(name for name in known if not repeated.get(name, False)))


def _environment() -> tuple[tuple[str, str], ...]:
    versions = [(name, version(name)) for name in LIBRARIES]
    return (("Python", platform.python_version()), *versions)


def _row(entry: Entry, query: PageQuery) -> EntryRow:
    facts = link("record", query, name=entry.name)
    page = LEADS_TO.get(entry.kind, "")
    return EntryRow(
        name=entry.name,
        title=entry.title,
        kind=entry.kind,
        model=entry.model,
        corpus=entry.corpus,
        method=entry.method,
        layer=entry.layer,
        address=link(page, query, **_selection(entry)) if page else facts,
        facts=facts,
    )


def _selection(entry: Entry) -> dict[str, str]:
    """Return the values of an address that select an entry on its page."""
    names = {ACTIVATIONS: "store", "ranking": "ranking", "curve": "curve", "sweep": "curve"}
    return {names[entry.kind]: entry.name}
