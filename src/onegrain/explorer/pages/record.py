"""One entry of the collection: its facts, its tables, and what it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from onegrain.core.describing import fact_text
from onegrain.explorer.addresses import LONGEST_NAME, PageQuery
from onegrain.explorer.collection import MODEL, Entry
from onegrain.explorer.figures import Figure, FigureTable
from onegrain.explorer.pages.page import Page, Shell, shell_of
from onegrain.explorer.state import Explorer
from onegrain.library import ACTIVATIONS
from onegrain.records.provenance import Provenance
from onegrain.reports.blocks import slug

__all__ = ["Fact", "RecordPage", "RecordQuery", "Step", "record"]

MOST_ROWS = 200
FACT_LENGTH = 2000


class RecordQuery(PageQuery):
    """The state of the page of an entry: its name."""

    name: str = Field("", max_length=LONGEST_NAME, description="The entry, by its name.")


@dataclass(frozen=True)
class Fact:
    """A fact of a record."""

    name: str
    value: str


@dataclass(frozen=True)
class Step:
    """One stage of a record's provenance.

    Attributes:
        depth: 0 for the record, 1 for what it was made from, and so on.
        stage: the verb that made it.
        model, corpus: what it is about; empty if it does not say.
        version: the version of onegrain.
        parameters: the parameters as JSON.
    """

    depth: int
    stage: str
    model: str
    corpus: str
    version: str
    parameters: str


@dataclass(frozen=True)
class RecordPage(Page):
    """An entry.

    Attributes:
        entry: its name, kind and what it is about.
        facts: the record's summary, as ``onegrain show`` prints it; of a model, its configuration.
        steps: its provenance, the record first.
    """

    query: RecordQuery
    shell: Shell
    figures: tuple[Figure, ...]
    entry: Entry
    facts: tuple[Fact, ...]
    steps: tuple[Step, ...]


def record(explorer: Explorer, query: RecordQuery) -> RecordPage:
    """Return the page of an entry.

    Raises:
        NotFoundError: no entry has this name.
    """
    collection = explorer.collection
    entry = collection.entry(query.name)
    tables: dict[str, Any] = {}
    provenance = None
    if entry.kind == MODEL:
        facts = _configuration(Path(collection.path(entry)))
    else:
        opened = collection.record(entry.name)
        facts, provenance = opened.summary(), getattr(opened, "provenance", None)
        tables = {} if entry.kind == ACTIVATIONS else opened.tables()
    return RecordPage(
        title=entry.title,
        query=query,
        shell=shell_of(explorer, "record", query),
        figures=tuple(_figure(name, table) for name, table in tables.items()),
        entry=entry,
        facts=tuple(Fact(str(name), fact_text(value, FACT_LENGTH)) for name, value in facts.items()),
        steps=tuple(_steps(provenance)),
    )


def _configuration(folder: Path) -> dict[str, Any]:
    """Return the configuration of a model as facts; a sentence if it cannot be read."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        return {"configuration": f"cannot be read: {error}"}
    return config if isinstance(config, dict) else {"configuration": "is not an object"}


def _figure(name: str, table: Any) -> Figure:
    rest = len(table) - MOST_ROWS
    rows = FigureTable.of(
        [str(column) for column in table.columns], table.head(MOST_ROWS).itertuples(index=False, name=None)
    )
    caption = f"The first {MOST_ROWS} of {len(table):,} rows." if rest > 0 else ""
    return Figure(slug(name), name, None, rows, caption)


def _steps(provenance: Provenance | None, depth: int = 0) -> Iterator[Step]:
    if provenance is None:
        return
    yield Step(
        depth=depth,
        stage=provenance.stage,
        model="" if provenance.model is None else provenance.model.id,
        corpus="" if provenance.corpus is None else provenance.corpus.source,
        version=provenance.version,
        parameters=json.dumps(provenance.model_dump(mode="json")["parameters"], indent=1, sort_keys=True),
    )
    for inner in provenance.inputs:
        yield from _steps(inner, depth + 1)
