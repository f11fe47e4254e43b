"""``onegrain show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.output import Json
from onegrain.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

NAME = "show"
NEURONS = "neurons"


def run(
    what: Annotated[
        str,
        typer.Argument(help="Record (ranking, curve, ...), store, neuron cards, model folder or hub id."),
    ],
    rows: Annotated[int, typer.Option(help="Number of rows to print.")] = 20,
    label: Annotated[
        str | None, typer.Option("--label", "-l", help="Label whose own order of neurons is shown (rankings).")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Check every checksum (stores).")] = False,
    against: Annotated[
        str | None, typer.Option(help="Store or model that the cards must belong to (neuron cards).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what a record, a store or a model holds."""
    from onegrain.library import ACTIVATIONS, CARDS, DIRECTIONS, INDEX, TABLES, kind_of, load

    path = Path(what)
    kind = kind_of(what)
    if kind == CARDS or (path.suffix == ".json" and not verify):
        if verify:
            raise ParameterError(f"{what} is not a store of activations; --verify checks stores (*.zarr)")
        from onegrain.cli.verbs.cards import show_cards

        show_cards(path, rows, against, as_json)
        return
    if against is not None:
        raise ParameterError(f"{what} does not hold neuron cards; --against checks neuron cards (*.json)")
    if kind == ACTIVATIONS:
        _store(what, as_json, verify=verify)
        return
    if verify:
        raise ParameterError(f"{what} is not a store of activations; --verify checks stores (*.zarr)")
    if kind in TABLES:
        from onegrain.core.sealing import using

        with using(str(path)):
            _table(path, rows, label, as_json)
    elif kind in (DIRECTIONS, INDEX):
        emit(load(path).summary(), as_json)
    elif path.suffix == ".parquet":
        load(path)
    else:
        _model(what, as_json)


def _table(path: Path, rows: int, label: str | None, as_json: bool) -> None:
    """Print the facts of a Parquet record, then its tables; in JSON without the table of all neurons."""
    from onegrain.library import load
    from onegrain.records.curve import Curve
    from onegrain.records.ranking import Ranking
    from onegrain.records.similarity import Similarity
    from onegrain.records.stability import Stability

    record = load(path)
    if label is not None and isinstance(record, Ranking):
        record = record.label(label)
    tables = record.tables(label) if isinstance(record, Stability) else record.tables()
    facts = record.summary()
    if as_json:
        facts |= {name: _rows(table) for name, table in tables.items() if name != NEURONS}
        emit(facts | ({"top": record.top(rows)} if isinstance(record, Ranking) else {}), as_json)
        return
    emit(facts, as_json)
    for name, table in tables.items():
        if isinstance(record, Stability) and name != NEURONS:
            show_table(table, f"{name}: likeness of top sets" + (f" of {label}" if label else ""))
        else:
            short = isinstance(record, Curve | Similarity)
            show_table(_readable(table), str(path), rows=len(table) if short else rows)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose lists are joined, and in which a random order has no ranking's name."""
    if "members" in table:
        table = table.assign(members=table["members"].map(" ".join))
    return table.assign(ranking=table["ranking"].fillna("")) if "ranking" in table else table


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table, with None for missing values."""
    plain: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return plain


def _store(path: str, as_json: bool, *, verify: bool) -> None:
    from onegrain.activations import open_activations, verify_activations

    checked = {"verified chunks": verify_activations(path, progress=progress())} if verify else {}
    emit(open_activations(path).summary() | checked, as_json)


def _model(name: str, as_json: bool) -> None:
    """Print the facts of a model, and its sites with their widths."""
    from onegrain.models import load_model

    model = load_model(name)
    facts, sites = model.summary(), model.to_pandas()
    if as_json:
        emit(facts | {"sites": dict(zip(sites["site"], sites["width"].tolist(), strict=True))}, as_json)
        return
    emit(facts, as_json)
    title = name if model.points else f"{name}: no named sites; these modules can be read"
    show_table(sites, title)
