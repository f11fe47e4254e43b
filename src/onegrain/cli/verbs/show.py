"""``onegrain show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from onegrain.cli.console import Json, emit, progress, show_table
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
    rows: Annotated[int, typer.Option(help="Rows of a table to print.")] = 20,
    label: Annotated[str | None, typer.Option(help="Of a ranking: the order of one label.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Of a store: read all of it and check every checksum.")
    ] = False,
    against: Annotated[
        str | None, typer.Option(help="Of neuron cards: a store or model whose neurons they must be of.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a file is, in the terminal."""
    path = Path(what)
    if path.suffix == ".json" and not verify:
        from onegrain.cli.verbs.cards import show_cards

        show_cards(path, rows, against, as_json)
        return
    if against is not None:
        raise ParameterError(f"{what} is no file of neuron cards; --against is about those (*.json)")
    if path.suffix == ".zarr" or "://" in what or (path / "zarr.json").is_file():
        _store(what, as_json, verify=verify)
        return
    if verify:
        raise ParameterError(f"{what} is no store of activations; --verify checks stores (*.zarr)")
    if path.suffix == ".parquet":
        from onegrain.core.sealing import using

        with using(str(path)):
            _parquet(path, rows, label, as_json)
    else:
        _model(what, as_json)


def _parquet(path: Path, rows: int, label: str | None, as_json: bool) -> None:
    from onegrain.records.curve import Curve
    from onegrain.records.parquet import read_header
    from onegrain.records.ranking import Ranking

    record = read_header(path).get("record")
    if record == "stability":
        _stability(path, rows, label, as_json)
        return
    if record == "similarity":
        _similarity(path, as_json)
        return
    if record == "clusters":
        _clusters(path, rows, as_json)
        return
    if record == "evaluation":
        _evaluation(path, rows, as_json)
        return
    if record == "curve":
        curve = Curve.load(path)
        facts = {
            "record": "curve",
            "metric": curve.metric,
            "signature": curve.signature,
            "neurons": curve.n_neurons,
            "intact": curve.intact,
        }
        emit(facts | ({"points": curve.points.to_dict("records")} if as_json else {}), as_json)
        if not as_json:
            show_table(curve.points, str(path), rows=max(rows, len(curve.points)))
        return
    from onegrain.records.leakage import leakage_cautions

    ranking = Ranking.load(path)
    ranking = ranking if label is None else ranking.label(label)
    facts = {
        "record": "ranking",
        "method": ranking.method,
        "label layer": ranking.layer,
        "labels": ", ".join(ranking.labels),
        "neurons": ranking.space.describe(),
        "ranked": ranking.n_ranked,
    }
    cautions = leakage_cautions((ranking.details.get("evaluation") or {}).get("leakage"))
    facts |= {"caution": " ".join(cautions)} if cautions else {}
    frame = ranking.to_pandas()[["rank", "neuron", "site", "unit", "score"]]
    frame = frame.assign(**_partners(ranking))
    emit(facts | ({"top": ranking.top(rows)} if as_json else {}), as_json)
    if not as_json:
        show_table(frame, str(path), rows=rows)


def _stability(path: Path, rows: int, label: str | None, as_json: bool) -> None:
    from onegrain.records.stability import KINDS, Stability

    found = Stability.load(path)
    facts: dict[str, object] = {
        "record": "stability",
        "method": found.method,
        "labels": ", ".join(found.labels),
        "neurons": found.space.describe(),
        "level": found.level,
    }
    for name in ("probes", "redrawn", "not_converged"):
        facts[name.replace("_", " ")] = ", ".join(f"{n} {kind}" for kind, n in found.details[name].items())
    facts["largest gap"] = ", ".join(
        f"{'none' if gap is None else format(gap, '.1e')} {kind}"
        for kind, gap in found.details["largest_gap"].items()
    )
    tables = {kind: found.at(kind, label) for kind in KINDS}
    if as_json:
        plain = {kind: table.astype(object).where(table.notna(), None) for kind, table in tables.items()}
        emit(facts | {kind: table.to_dict("records") for kind, table in plain.items()}, as_json)
        return
    emit(facts, as_json)
    for kind, table in tables.items():
        show_table(table, f"{kind}: likeness of top sets" + (f" of {label}" if label else ""))
    show_table(found.of(KINDS[0]), str(path), rows=rows)


def _evaluation(path: Path, rows: int, as_json: bool) -> None:
    from onegrain.records.evaluation import Evaluation

    found = Evaluation.load(path)
    facts: dict[str, object] = {
        "record": "evaluation",
        "label layer": found.layer,
        "rankings": ", ".join(found.names),
        "neurons": found.space.describe(),
        "probe": found.details["probe"]["probe"],
        "tested words": found.details["test"]["words"],
        "accuracy": found.details["full"]["accuracy"],
        "majority": found.details["majority"],
    }
    facts |= {"caution": " ".join(found.cautions)} if found.cautions else {}
    if as_json:
        points = found.points.astype(object).where(found.points.notna(), None)
        emit(facts | {"points": points.to_dict("records")}, as_json)
        return
    emit(facts, as_json)
    show_table(found.points.assign(ranking=found.points["ranking"].fillna("")), str(path), rows=rows)


def _similarity(path: Path, as_json: bool) -> None:
    from onegrain.records.similarity import Similarity

    found = Similarity.load(path)
    facts: dict[str, object] = {
        "record": "similarity",
        "models": f"{found.details['a']}, {found.details['b']}",
        "measures": ", ".join(found.measures),
        "words": found.details["words"],
    }
    if as_json:
        table = found.table.astype(object).where(found.table.notna(), None)
        emit(facts | {"rows": table.to_dict("records")}, as_json)
        return
    emit(facts, as_json)
    show_table(found.table, str(path))


def _clusters(path: Path, rows: int, as_json: bool) -> None:
    from onegrain.records.clusters import Clusters

    found = Clusters.load(path)
    table = found.summary()
    facts: dict[str, object] = {
        "record": "clusters",
        "neurons": found.space.describe(),
        "clustered": len(found.neurons),
        "clusters": len(found),
        "linkage": found.linkage,
        "threshold": found.threshold,
        "signed": found.signed,
        "constant": found.details["constant"],
        "words": found.details["words"],
    }
    if as_json:
        emit(facts | {"rows": table.to_dict("records")}, as_json)
        return
    emit(facts, as_json)
    show_table(table.assign(members=table["members"].map(" ".join)), str(path), rows=rows)


def _store(path: str, as_json: bool, *, verify: bool) -> None:
    from onegrain.activations import open_activations, verify_activations

    checked = {"verified chunks": verify_activations(path, progress=progress())} if verify else {}
    store = open_activations(path)
    layers = {layer.name: len(layer.vocabulary) for layer in store.corpus.layers.values()}
    model = store.provenance.model
    emit(
        {
            "record": "activations",
            "model": model.id if model else None,
            "corpus": store.corpus.source,
            "sentences": store.corpus.n_sentences,
            "words": store.n_words,
            "without activation": int((~store.present).sum()),
            "neurons": store.space.describe(),
            "dtype": str(store.array.dtype),
            "label layers": ", ".join(f"{name} ({count})" for name, count in sorted(layers.items())),
            **checked,
        },
        as_json,
    )


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
    """What a cross-model ranking knows of each neuron: its partner as ``MODEL/SITE:UNIT``, models from 1."""
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
    known = {"partner": names, "correlation": partner["correlation"]}
    known |= {column: null[column] for column in ("excess", "q") if column in null}
    return {column: [values[at] for at in order] for column, values in known.items()}
