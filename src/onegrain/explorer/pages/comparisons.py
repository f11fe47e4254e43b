"""Figures that compare curves, rankings, sites and labels, from the records and analyses of the reports."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onegrain.analyses.judging.agreement import overlap, rank_agreement, spearman_interval
from onegrain.analyses.questions.damage import tasks
from onegrain.analyses.questions.topsets import default_k
from onegrain.explorer.addresses import PageQuery, link
from onegrain.explorer.collection import Collection, Entry
from onegrain.explorer.figures import Figure, FigureTable, VegaChart
from onegrain.library import ACTIVATIONS
from onegrain.records.curve import Curve
from onegrain.records.ranking import Ranking
from onegrain.records.similarity import Similarity
from onegrain.records.space import NeuronSpace
from onegrain.records.specificity import Specificity
from onegrain.records.sweep import Sweep
from onegrain.reports.blocks import slug
from onegrain.reports.rendering.drawings import IntervalRow, Intervals, Matrix
from onegrain.reports.rendering.pictures import chart_spec

__all__ = ["agreement_figures", "curve_figures", "damage_figures", "partner_figure", "site_figure"]

SHARES = (0.01, 0.05, 0.1, 0.25)
"""Sizes of the top sets that are compared, as shares of all neurons, beside the default size."""
MOST_PARTNERS = 100
SIMILARITIES = {"cka": "Linear CKA", "pwcca": "PWCCA", "svcca": "SVCCA"}


def curve_figures(curves: Mapping[str, Curve], sweeps: Mapping[str, Sweep]) -> list[Figure]:
    """Return a chart for the curves of each model, metric and test set, and one for each sweep."""
    figures = []
    for number, group in enumerate(tasks(curves) if curves else [], 1):
        first = next(iter(group.values()))
        model = first.provenance.subject()
        title = f"{first.metric} of {model.id}" if model is not None else first.metric
        rows = [
            (name, *row)
            for name, curve in group.items()
            for row in curve.points.itertuples(index=False, name=None)
        ]
        table = FigureTable.of(("curve", *first.points.columns), rows)
        chart = _chart(group)
        caption = "The metric as neurons are erased, with 95 % intervals; for random orders, their range."
        figures.append(Figure(f"curves-{number}", title, chart, table, caption))
    for number, (name, sweep) in enumerate(sweeps.items(), 1):
        points = sweep.to_pandas()
        rows = [tuple(row) for row in points.itertuples(index=False, name=None)]
        table = FigureTable.of(tuple(points.columns), rows)
        caption = f"{', '.join(sweep.metrics)} under {len(sweep.edits)} kinds of edits."
        figures.append(Figure(f"sweep-{number}", name, _chart(sweep), table, caption))
    return figures


def _chart(record: Any) -> VegaChart:
    """Return the chart of a record with its legends below it, so that it stays legible on a narrow screen."""
    from onegrain.reports.charts.plot import plot  # it loads Altair, which would delay the first page

    spec = chart_spec(plot(record))
    config = spec.get("config", {})
    legend = {**config.get("legend", {}), "orient": "bottom", "columns": 2, "labelLimit": 240}
    return VegaChart({**spec, "config": {**config, "legend": legend}})


def agreement_figures(rankings: Mapping[str, Ranking]) -> list[Figure]:
    """Return the overlap of the top sets and the correlation of the orders of every two rankings.

    Raises:
        MismatchError: the rankings are of different neurons.
    """
    space = next(iter(rankings.values())).space
    size = default_k(space.size)
    ks = sorted({size, *(max(1, math.ceil(share * space.size)) for share in SHARES)})
    overlaps, correlations = overlap(rankings, ks), rank_agreement(rankings)
    names = list(rankings)
    first = overlaps[overlaps["k"] == size]
    known = {frozenset((row.first, row.second)): row.jaccard for row in first.itertuples()}
    matrix = Matrix(
        tuple(names),
        tuple(names),
        tuple(tuple(known.get(frozenset((a, b)), 1.0) for b in names) for a in names),
        limit=1.0,
        unit="Jaccard",
    )
    caption = (
        f"Shared neurons among the first {size} of each ranking, as a share of their union; the table has "
        "other sizes, what random sets would share, and p (q after Benjamini and Hochberg)."
    )
    overlap_table = FigureTable.of(tuple(overlaps.columns), overlaps.itertuples(index=False, name=None))
    return [
        Figure("overlap", f"Overlap of the first {size}", matrix, overlap_table, caption),
        _correlations(correlations.to_dict("records"), space.size),
    ]


def _correlations(pairs: Sequence[Mapping[str, object]], neurons: int) -> Figure:
    rows, drawn = [], []
    for pair in pairs:
        spearman, kendall = float(str(pair["spearman"])), float(str(pair["kendall"]))
        low, high = spearman_interval(spearman, neurons)
        rows.append((pair["first"], pair["second"], spearman, low, high, kendall))
        drawn.append(IntervalRow(f"{pair['first']} / {pair['second']}", spearman, low, high))
    return Figure(
        "correlation",
        "Correlation of the orders",
        Intervals(tuple(drawn), "Spearman's correlation", 0.0),
        FigureTable.of(("first", "second", "spearman", "low", "high", "kendall"), rows),
        f"Spearman's correlation over all {neurons:,} neurons, with 95 % intervals by Fisher's transformation.",
    )


def partner_figure(collection: Collection, name: str, ranking: Ranking, query: PageQuery) -> Figure:
    """Return the first neurons of a cross-model ranking with their best partners in other models."""
    partner = ranking.details["partner"]
    spaces = [NeuronSpace.from_json(space) for space in ranking.details["spaces"]]
    models = [str(model) for model in ranking.details["models"]]
    stores = [_store_at(collection, model) for model in models]
    rows, links = [], []
    for place, index in enumerate(ranking.order[: min(MOST_PARTNERS, ranking.n_ranked)].tolist(), 1):
        model, neuron = partner["model"][index], partner["neuron"][index]
        if model is None:
            continue
        other = spaces[model].name(neuron)
        entry = stores[model]
        correlation = partner["correlation"][index]
        ranked = ranking.space.name(index)
        rows.append(
            (other, entry.title if entry else models[model].rsplit("/", 1)[-1], correlation, ranked, place)
        )
        target = (
            link("neuron", query.model_copy(update={"pin": ()}), store=entry.name, neuron=other)
            if entry
            else ""
        )
        links.append(target)
    table = FigureTable.of(("partner", "in", "correlation", "neuron", "place"), rows, links)
    caption = (
        f"The first {len(rows)} neurons of {name}, each with the neuron of another model that follows it best."
    )
    return Figure("partners", name, None, table, caption)


def _store_at(collection: Collection, path: str) -> Entry | None:
    """Return the store that a ranking names by its path; None if it is not in the collection."""
    for entry in collection.of_kind(ACTIVATIONS):
        if str(collection.path(entry)) == path:
            return entry
    named = [
        entry for entry in collection.of_kind(ACTIVATIONS) if f"{entry.title}.zarr" == path.rsplit("/", 1)[-1]
    ]
    return named[0] if len(named) == 1 else None


def site_figure(similarity: Similarity, measure: str) -> Figure:
    """Return one measure of a similarity as a matrix: rows are the sites of one model, columns of the other."""
    matrix = similarity.matrix(measure)
    drawing = Matrix(
        tuple(matrix.index),
        tuple(matrix.columns),
        tuple(tuple(row) for row in matrix.to_numpy(np.float64).tolist()),
        limit=1.0,
        unit=f"{SIMILARITIES[measure]}",
    )
    sides = [str(similarity.details[side]).rsplit("/", 1)[-1].removesuffix(".zarr") for side in ("a", "b")]
    table = FigureTable.of(tuple(similarity.table.columns), similarity.table.itertuples(index=False, name=None))
    caption = (
        f"{SIMILARITIES[measure]} of every site of {sides[0]} (rows) with every site of {sides[1]} (columns) "
        f"over {similarity.details['words']:,} words; 0: unrelated, 1: as similar as can be."
    )
    return Figure(slug(f"sites-{measure}"), "Similarity of sites", drawing, table, caption)


def damage_figures(name: str, record: Specificity) -> list[Figure]:
    """Return the damage matrix of a specificity, and the contrast of each label."""
    matrix = record.matrix("excess")
    drawing = Matrix(
        tuple(matrix.index),
        tuple(matrix.columns),
        tuple(tuple(row) for row in matrix.to_numpy(np.float64).tolist()),
        unit="nats per word beyond random neurons",
    )
    caption = (
        f"Rows: the label whose first {record.k} neurons are edited ({record.edit}); columns: the label of the "
        "predicted words; the rise of their loss, less that of as many random neurons."
    )
    cells = FigureTable.of(tuple(record.cells.columns), record.cells.itertuples(index=False, name=None))
    contrasts = record.contrasts
    rows = tuple(
        IntervalRow(str(row.label), float(row.contrast), float(row.low), float(row.high))
        for row in contrasts.itertuples()
    )
    table = FigureTable.of(tuple(contrasts.columns), contrasts.itertuples(index=False, name=None))
    explained = (
        f"The excess on a label's own words less that on other words, with {record.level:.0%} intervals."
    )
    return [
        Figure("damage", f"Damage: {name}", drawing, cells, caption),
        Figure(
            "contrasts", "Own words against others", Intervals(rows, "nats per word", 0.0), table, explained
        ),
    ]
