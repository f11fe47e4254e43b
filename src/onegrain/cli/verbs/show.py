"""``onegrain show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import emit, progress, show_table
from onegrain.cli.options.output import Json
from onegrain.errors import ParameterError

if TYPE_CHECKING:
    from onegrain.records.ranking import Ranking

NAME = "show"


def run(
    what: Annotated[
        str,
        typer.Argument(
            help="A record (ranking, curve, ...), a store, neuron cards, a model folder or a hub id."
        ),
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
    from onegrain.library import ACTIVATIONS, CARDS, DIRECTIONS, TABLES, kind_of, load

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
    elif kind == DIRECTIONS:
        emit(load(path).summary(), as_json)
    elif path.suffix == ".parquet":
        load(path)
    else:
        _model(what, as_json)


def _table(path: Path, rows: int, label: str | None, as_json: bool) -> None:
    """Print the facts of a Parquet record, then its table."""
    from onegrain.library import load
    from onegrain.records.curve import Curve
    from onegrain.records.ranking import Ranking
    from onegrain.records.similarity import Similarity
    from onegrain.records.stability import KINDS, Stability

    record = load(path)
    if label is not None and isinstance(record, Ranking):
        record = record.label(label)
    tables = _tables(record)
    if isinstance(record, Stability):
        tables = {kind: record.at(kind, label) for kind in KINDS}
    facts = record.summary()
    if as_json:
        facts |= {name: _rows(table) for name, table in tables.items()}
        emit(facts | ({"top": record.top(rows)} if isinstance(record, Ranking) else {}), as_json)
        return
    emit(facts, as_json)
    if isinstance(record, Stability):
        for kind, table in tables.items():
            show_table(table, f"{kind}: likeness of top sets" + (f" of {label}" if label else ""))
        tables = {"neurons": record.of(KINDS[0])}
    elif isinstance(record, Ranking):
        frame = record.to_pandas()[["rank", "neuron", "site", "unit", "score"]]
        tables = {"neurons": frame.assign(**_partners(record))}
    for table in tables.values():
        if "members" in table:
            table = table.assign(members=table["members"].map(" ".join))
        if "ranking" in table:
            table = table.assign(ranking=table["ranking"].fillna(""))
        short = isinstance(record, Curve | Similarity)
        show_table(table, str(path), rows=len(table) if short else rows)


def _tables(record: Any) -> dict[str, Any]:
    """Return the tables of a record by the name they have in JSON; none for rankings and stabilities."""
    from onegrain.records.clusters import Clusters
    from onegrain.records.curve import Curve
    from onegrain.records.evaluation import Evaluation
    from onegrain.records.similarity import Similarity

    if isinstance(record, Curve | Evaluation):
        return {"points": record.to_pandas()}
    if isinstance(record, Similarity):
        return {"rows": record.to_pandas()}
    return {"rows": record.groups()} if isinstance(record, Clusters) else {}


def _rows(table: Any) -> list[dict[str, Any]]:
    """Return the rows of a table, with None for missing values."""
    plain: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")
    return plain


def _store(path: str, as_json: bool, *, verify: bool) -> None:
    from onegrain.activations import open_activations, verify_activations

    checked = {"verified chunks": verify_activations(path, progress=progress())} if verify else {}
    emit(open_activations(path).summary() | checked, as_json)


def _model(name: str, as_json: bool) -> None:
    from onegrain.models import load_model

    model = load_model(name)
    facts: dict[str, object] = {
        "record": "model",
        "architecture": model.identity.architecture,
        "task": model.task,
        "weights": model.identity.weight_hash,
    }
    if model.points:
        space = model.space(list(model.points))
        widths = dict(zip(space.sites, space.widths, strict=True))
    else:
        widths = model.module_widths()
    if as_json:
        emit(facts | {"sites": widths}, as_json)
        return
    emit(facts, as_json)
    import pandas as pd

    from onegrain.models.sites import module_point

    points = [model.points.get(site) or module_point(model.model, site) for site in widths]
    table = {"site": list(widths), "width": list(widths.values()), "words": [point.side for point in points]}
    show_table(
        pd.DataFrame(table), name if model.points else f"{name}: no named sites; these modules can be read"
    )


def _partners(ranking: Ranking) -> dict[str, list[Any]]:
    """Return columns for the partners in a cross-model ranking, as ``MODEL/SITE:UNIT`` with models from 1."""
    from onegrain.records.space import NeuronSpace

    partner, order = ranking.details.get("partner"), ranking.order.tolist()
    if partner is None or "spaces" not in ranking.details:
        return {}
    spaces = [NeuronSpace.from_json(space) for space in ranking.details["spaces"]]
    names = [
        None if model is None else f"{model + 1}/{spaces[model].name(neuron)}"
        for model, neuron in zip(partner["model"], partner["neuron"], strict=True)
    ]
    null = ranking.details.get("null", {})
    columns = {"partner": names, "correlation": partner["correlation"]}
    columns |= {column: null[column] for column in ("excess", "q") if column in null}
    return {column: [values[neuron] for neuron in order] for column, values in columns.items()}
